// Backend: the interface to a device. Kernels write where the caller says and never allocate
// results.
//
// Every function has a plain definition in backend/reference; other backends must agree with it.
// Ops (room ops) check shapes before they call; here shapes are promises. Tensors are float32 and
// row-uniform (rows contiguous, one distance between rows) unless said otherwise. Functions ending
// in _grad add to their destinations; everything else overwrites. Destinations may be the same
// memory as an input only where said. A destination of a gradient that is not wanted is empty (a
// null Tensor).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/thread_pool.h"
#include "encoding/weight.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace ocelli::tensor {

using base::ThreadPool;
using encoding::Weight;

enum class Activation : uint8_t { kNone, kGeluTanh, kSilu };

// Of each row: x / sqrt(mean(x^2) + eps) * weight, with a bias (x - mean) / sqrt(variance + eps) *
// weight + bias.
struct Norm {
  const float* weight = nullptr;  // null: none at all
  const float* bias = nullptr;
  float eps = 0;
};

// y[T, N] = activation(norm(x)[T, K] W[N, K]^T + bias[N]) + residual[T, N]
struct LinearJob {
  Tensor x;
  const Weight* w = nullptr;
  Tensor y;                     // may be the memory of `residual`
  const float* bias = nullptr;  // [N] or null
  Activation activation = Activation::kNone;
  Tensor residual = {};  // [T, N] or empty
  bool exact = false;    // float32 arithmetic: no activations in 8 bits or bfloat16
  Norm norm = {};        // only where the backend takes_norm(*w), and not with `exact`
};

// hidden[T, H] = activation(x up^T + up_bias), with a gate activation(x gate^T) * (x up^T), x
// normalized first where there is a norm; y[T, N] = hidden down^T + down_bias + residual
struct FeedForwardJob {
  Tensor x;                                              // [T, K]
  const Weight* gate = nullptr;                          // [H, K] or null
  const Weight* up = nullptr;                            // [H, K]
  const Weight* down = nullptr;                          // [N, H]
  Tensor y;                                              // may be the memory of `residual`
  const float *up_bias = nullptr, *down_bias = nullptr;  // [H] (none with a gate), [N], or null
  Activation activation = Activation::kNone;
  Tensor residual = {};  // [T, N] or empty
  Norm norm = {};
};

// The keys that one query sees: [begin, end). Causal order, sliding windows, several sequences side
// by side, padding and two-way image blocks are all said with these; they are data, so that a
// captured graph can be replayed.
struct KeyRange {
  int32_t begin = 0, end = 0;
};

// What attention may compute with.
enum class AttentionNumbers : uint8_t {
  kF32,
  // Beside many queries the scaled queries, keys, values and weights may be rounded to bfloat16
  // where that is faster; sums are float32. A query's result depends on its own keys only.
  kBF16,
  // 8 bits, as encoding/attention_codes.h defines them. Runs of queries with one range share their
  // keys' codes, so it is for queries that see the same keys.
  k8Bit,
};

// out[t, h, :] = sum_s softmax_s(scale * q[t, h, :] . k[s, h / (H / Hkv), :]) v[s, ...], s in
// ranges[t]. A query with an empty range gives zeros.
struct AttentionJob {
  Tensor q;    // [T, H, Dh], any token and head stride, Dh contiguous
  Tensor k;    // [S, Hkv, Dh], f32, f16 or q8_0, any token and head stride, Dh contiguous
  Tensor v;    // like k
  Tensor out;  // [T, H, Dh]
  std::span<const KeyRange> ranges;  // T of them
  float scale = 1;
  float* log_sum_exp = nullptr;  // [T, H], written if not null: what attention_grad needs
  AttentionNumbers numbers = AttentionNumbers::kF32;  // another one: log_sum_exp must be null
};

struct AttentionGradJob {
  AttentionJob forward;  // as it was run, with out and log_sum_exp (k, v float32)
  Tensor dout;           // [T, H, Dh]
  Tensor dq, dk, dv;     // added to where not empty
};

// Which numbers dropout keeps: number i of a tensor, counted row by row without gaps, where
// base::Rng(rng)'s uniform_at(i) >= p. What is kept is divided by 1 - p (multiplied by the float32
// nearest to 1 / (1 - p)).
struct Dropout {
  RngKey rng;
  float p = 0;  // in [0, 1)
};

// The distance to a teacher of which only the K likeliest tokens of each position are known:
//   scale * sum_t sum_k p_tk (log p_tk - log softmax(logits[t] / temperature)[ids[t, k]])
// with log p_tk = log_probs[t, k], the teacher's at that temperature. What the teacher gives to
// other tokens counts as zero, and p_tk are not made to add up to one. An id of -1 does not count.
struct TopKJob {
  Tensor logits;                     // [T, V]
  std::span<const int32_t> ids;      // [T, K], those of one token different
  std::span<const float> log_probs;  // [T, K], at most 0; -infinity is a probability of zero
  float temperature = 1;
  float scale = 1;
};

class Backend {
 public:
  virtual ~Backend() = default;
  // "reference", "x86-64-v3", "avx512", ...
  virtual std::string_view name() const = 0;

  // --- layouts ---
  // Bytes of `plain` in encoding::Layout::kPacked, aligned to 64; 0 where this backend does not
  // take that of its encoding. A packed weight is one whose `layout` says so and whose
  // `data` is what pack() wrote; linear, its gradient to the input and embedding take it like a
  // plain one and give the same numbers, those of encoding.h and its neighbours bit for bit.
  virtual int64_t packed_bytes(const Weight& plain) const { return 0; }
  // Writes packed_bytes(plain) bytes. Requires that they are not 0.
  virtual void pack(ThreadPool& pool, const Weight& plain, std::byte* memory) const {}

  // --- products with weights ---
  // Whether rows may go through a norm on their way to a product with `w`: one pass over them
  // instead of three, with the numbers that the norm by itself gives.
  virtual bool takes_norm(const Weight& w) const { return false; }
  // All jobs are independent (q/k/v of one input, say), so that they share one hand-out of work.
  virtual void linear(ThreadPool& pool, std::span<const LinearJob> jobs) = 0;
  // Does the whole job without `hidden` in memory as float32, with the same numbers bit for bit as
  // linear and the elementwise functions give (8-bit activations where they have them); false, and
  // nothing done, where it has no such form.
  virtual bool feed_forward(ThreadPool& pool, const FeedForwardJob& job) { return false; }
  virtual void linear_grad_input(ThreadPool& pool, const Tensor& dy, const Weight& w,
                                 const Tensor& dx) = 0;
  virtual void linear_grad_weight(ThreadPool& pool, const Tensor& dy, const Tensor& x,
                                  const Weight& w) = 0;
  // y[t, :] = w[ids[t], :]; its gradient adds dy[t, :] to w.grad[ids[t], :].
  virtual void embedding(ThreadPool& pool, std::span<const int32_t> ids, const Weight& w,
                         const Tensor& y) = 0;
  virtual void embedding_grad(ThreadPool& pool, std::span<const int32_t> ids, const Tensor& dy,
                              const Weight& w) = 0;

  // --- norms, over the last dimension ---
  // y = x * rsqrt(mean(x^2) + eps) * w
  virtual void rms_norm(ThreadPool& pool, const Tensor& x, const float* w, float eps,
                        const Tensor& y) = 0;
  virtual void rms_norm_grad(ThreadPool& pool, const Tensor& x, const float* w, float eps,
                             const Tensor& dy, const Tensor& dx, float* dw) = 0;
  // y = (x - mean) * rsqrt(var + eps) * w + b, var over all D
  virtual void layer_norm(ThreadPool& pool, const Tensor& x, const float* w, const float* b,
                          float eps, const Tensor& y) = 0;
  virtual void layer_norm_grad(ThreadPool& pool, const Tensor& x, const float* w, float eps,
                               const Tensor& dy, const Tensor& dx, float* dw, float* db) = 0;

  // --- attention ---
  // Rotary positions, NeoX form: pairs (i, i + Dh/2). table [T, Dh]: Dh/2 cosines, then Dh/2 sines.
  // x and y [T, H, Dh], any token and head stride; y may be x. `sign` -1 turns back (the gradient).
  virtual void rope(ThreadPool& pool, const Tensor& x, const Tensor& table, float sign,
                    const Tensor& y) = 0;
  virtual void attention(ThreadPool& pool, const AttentionJob& job) = 0;
  virtual void attention_grad(ThreadPool& pool, const AttentionGradJob& job) = 0;

  // table[t, i] = factor * cos(positions[t] * inv_freq[i]), sines after the cosines; float32
  // throughout.
  virtual void rope_table(ThreadPool& pool, std::span<const int32_t> positions,
                          std::span<const float> inv_freq, float factor, const Tensor& table) = 0;

  // --- elementwise; y may be an input ---
  virtual void activation(ThreadPool& pool, Activation f, const Tensor& x, const Tensor& y) = 0;
  virtual void activation_grad(ThreadPool& pool, Activation f, const Tensor& x, const Tensor& dy,
                               const Tensor& dx) = 0;
  // y = silu(gate) * up
  virtual void silu_mul(ThreadPool& pool, const Tensor& gate, const Tensor& up,
                        const Tensor& y) = 0;
  virtual void silu_mul_grad(ThreadPool& pool, const Tensor& gate, const Tensor& up,
                             const Tensor& dy, const Tensor& dgate, const Tensor& dup) = 0;
  // y = a + scale * b; b [T, D], or [R, D] with R dividing T: row t of b is row t % R (broadcast).
  virtual void add(ThreadPool& pool, const Tensor& a, const Tensor& b, float scale,
                   const Tensor& y) = 0;
  // dst += scale * src summed over the rows that were broadcast (the gradient of add for b).
  virtual void accumulate(ThreadPool& pool, const Tensor& src, float scale, const Tensor& dst) = 0;

  // y[t, n] = x[t, n] * s[n]. Its gradients: dx[t, n] += dy[t, n] s[n], ds[n] += sum_t dy[t, n]
  // x[t, n] (ds may be null).
  virtual void scale_columns(ThreadPool& pool, const Tensor& x, const float* s,
                             const Tensor& y) = 0;
  virtual void scale_columns_grad(ThreadPool& pool, const Tensor& x, const float* s,
                                  const Tensor& dy, const Tensor& dx, float* ds) = 0;
  // y = x where kept, divided by 1 - p, otherwise 0. The gradient drops the same numbers.
  virtual void dropout(ThreadPool& pool, const Tensor& x, const Dropout& d, const Tensor& y) = 0;
  virtual void dropout_grad(ThreadPool& pool, const Tensor& dy, const Dropout& d,
                            const Tensor& dx) = 0;

  // --- moving rows ---
  // y[i, :] = x[rows[i], :]; converts to y's dtype (f32 to f32, f16 or bf16, rounded to nearest
  // even).
  virtual void gather_rows(ThreadPool& pool, const Tensor& x, std::span<const int32_t> rows,
                           const Tensor& y) = 0;
  // y[rows[i], :] = x[i, :] (rows distinct), or += with `add` (rows may repeat); y f32, f16, bf16
  // or q8_0 (add: f32). Without `add` also x [n, H, Dh] and y [S, H, Dh], whose heads lie anywhere.
  virtual void scatter_rows(ThreadPool& pool, const Tensor& x, std::span<const int32_t> rows,
                            bool add, const Tensor& y) = 0;
  // Patches of pictures: pixels [B, C, Hp, Wp] -> y [B * gh * gw, C * P * P], columns in the order
  // (c, dy, dx); grid gh x gw = floor(Hp / P) x floor(Wp / P), row by row. (Pixels are data: no
  // gradient.)
  virtual void patches(ThreadPool& pool, const Tensor& pixels, int64_t patch, const Tensor& y) = 0;

  // --- objective ---
  // loss[0] = scale * sum_t (log sum_v exp logits[t, v] - logits[t, targets[t]]); a negative target
  // does not count. The gradient is scaled by dloss[0].
  virtual void cross_entropy(ThreadPool& pool, const Tensor& logits,
                             std::span<const int32_t> targets, float scale, const Tensor& loss) = 0;
  virtual void cross_entropy_grad(ThreadPool& pool, const Tensor& logits,
                                  std::span<const int32_t> targets, float scale,
                                  const Tensor& dloss, const Tensor& dlogits) = 0;
  // log_probs[t] = logits[t, targets[t]] - log sum_v exp logits[t, v], 0 where the target is
  // negative. dlogits[t, v] += dlog_probs[t] * ((v == targets[t]) - softmax(logits[t])[v]), nothing
  // where the target is negative.
  virtual void token_log_probs(ThreadPool& pool, const Tensor& logits,
                               std::span<const int32_t> targets, float* log_probs) = 0;
  virtual void token_log_probs_grad(ThreadPool& pool, const Tensor& logits,
                                    std::span<const int32_t> targets, const float* dlog_probs,
                                    const Tensor& dlogits) = 0;
  // loss[0] = what TopKJob says; dlogits[t, v] += dloss[0] scale / temperature
  //   (sum_k p_tk softmax(logits[t] / temperature)[v] - sum_{k: ids[t, k] = v} p_tk)
  virtual void top_k_divergence(ThreadPool& pool, const TopKJob& job, const Tensor& loss) = 0;
  virtual void top_k_divergence_grad(ThreadPool& pool, const TopKJob& job, const Tensor& dloss,
                                     const Tensor& dlogits) = 0;
};

}  // namespace ocelli::tensor
