// What one instruction set offers: a table of kernels, each working on one piece of an operation on
// the calling thread. cpu_backend cuts operations into pieces and calls them.
//
// The kernels are compiled once per instruction set, with that set's compiler flags. Whatever such
// a file includes is compiled with those flags too, and the linker keeps one copy of an inline
// function: so this header holds plain data only, and kernels use nothing from std (a test looks
// for such symbols). Shapes as in tensor/backend.h; strides are in numbers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cpu/packed.h"
#include "encoding/attention_codes.h"
#include "encoding/encoding.h"

namespace ocelli::cpu {

using encoding::Encoding;

enum class Act : uint8_t { kNone, kGeluTanh, kSilu };  // as tensor::Activation

// The largest piece of a product in 8 bits.
inline constexpr int64_t kMaxPieceRows = 512, kMaxPieceCols = 128;
// A product in float32 goes over its inner indices in blocks of at most kInner, as even as can be,
// and in passes of at most kPassBlocks of those, as even as can be. The largest piece has
// kProductRows rows, kProductBlocks blocks of a pass counted for each row, and if there are several
// passes kProductSums results.
inline constexpr int64_t kInner = 256, kPassBlocks = 8;
inline constexpr int64_t kProductRows = 1024, kProductBlocks = 4096, kProductSums = 256 * 1024;
// The scratch memory that any kernel needs, in floats (64-byte aligned; contents do not matter).
inline constexpr int64_t kScratchFloats = 1472 * 1024;
// Rows of x that linear_few takes, and how long they may be.
inline constexpr int64_t kFewRows = 4, kMaxFewCols = 1 << 16;
// Rows of x, or queries, from which on they may be rounded to bfloat16: those of a prompt. Fewer
// stay in float32, so that a token gives the same whether it is decoded alone or checked with
// others.
inline constexpr int64_t kLeastBF16Rows = 64;
// The widest head of the attention kernels.
inline constexpr int64_t kMaxHeadDim = 256;
// The most keys of one block of their gradient.
inline constexpr int64_t kAttentionGradKeys = 256;

// Rows of x as records (packed.h) beside packed weights.
struct PackedRows {
  const std::byte* records;
  RecordShape shape;
  int64_t strip_bytes;  // of the weights
};

struct LinearArgs {
  const float* x;  // [tokens, k]
  int64_t x_stride, tokens, k, n;
  Encoding encoding;
  bool integer;        // an encoding with blocks, with 8-bit activations
  const std::byte* w;  // [n, k], rows w_row_bytes apart
  int64_t w_row_bytes;
  const float* bias;  // [n] or null
  Act act;
  const float* residual;  // [tokens, n] or null; may be y
  int64_t residual_stride;
  float* y;  // [tokens, n]
  int64_t y_stride;
  const PackedRows* rows = nullptr;  // not null: w are the strips of a packed weight, x is unused
  const float* w_scales = nullptr;   // [n] beside it
};

// activation(x up^T + bias), or activation(x gate^T) * (x up^T), as records. `up` and `gate` have
// packed weights and the same rows; their y and residual are unused.
struct HiddenArgs {
  LinearArgs up;
  const LinearArgs* gate;  // or null
  RecordShape shape;
  std::byte* records;  // [tokens]
};

// dst[m, n] += a[m, inner] b[inner, n]. `a` may be stored transposed, [inner, m]; b is stored by
// rows in any encoding.
struct ProductArgs {
  const float* a;
  int64_t a_stride;
  bool a_transposed;
  Encoding encoding;
  const std::byte* b;
  int64_t b_row_bytes;
  int64_t m, n, inner;
  float* dst;
  int64_t dst_stride;
};

// Rows [r0, r1) x columns [n0, n1) of a product in float32. `same_rows`: the scratch memory is as
// another piece of the same rows of the same A left it.
struct ProductPiece {
  int64_t r0, r1, n0, n1;
  bool same_rows = false;
};

struct KeySpan {
  int32_t begin, end;  // as tensor::KeyRange
};

struct AttentionArgs {
  const float* q;  // [tokens, heads, head_dim]
  int64_t q_stride, q_head_stride;
  const void *k, *v;  // [keys, kv_heads, head_dim], f32, f16 or q8_0
  Encoding keys;
  int64_t k_stride, k_head_stride, v_stride, v_head_stride;
  float* out;
  int64_t out_stride, out_head_stride;
  const KeySpan* ranges;  // [tokens]
  float* log_sum_exp;     // [tokens, heads] or null
  int64_t tokens, heads, kv_heads, head_dim;
  float scale;
};

// The keys and values of a range and one key head in fewer bits, in a form of the set's own
// (attention_keys.inl.h, attention_bf16.inl.h).
struct CodedKeys {
  std::byte* memory;  // CodedAttention::bytes() of it, aligned to 64
  KeySpan span;
  int64_t kv_head;
};
// Queries [t0, t1) of heads [head, head + heads).
struct QueryBlock {
  int64_t head, heads, t0, t1;
};

// Attention whose keys are brought into another form first: encode() for a range and a key head,
// then attend() for queries that see it.
struct CodedAttention {
  int64_t rows;  // of attend(), at most: (t1 - t0) * heads
  int64_t (*bytes)(const KeySpan&, int64_t head_dim);
  void (*encode)(const AttentionArgs&, const CodedKeys&);
  void (*attend)(const AttentionArgs&, const CodedKeys&, const QueryBlock&, float* scratch);
};

struct AttentionGradArgs {
  AttentionArgs forward;  // as it was run, float32, with out and log_sum_exp
  const float* dout;
  int64_t dout_stride, dout_head_stride;
  float *dq, *dk, *dv;  // added to where not null
  int64_t dq_stride, dq_head_stride, dk_stride, dk_head_stride, dv_stride, dv_head_stride;
  float* mean;  // [tokens, heads]: dout . out, by attention_grad_mean
};

// A block of rows of equal width.
struct RowsArgs {
  const float* x;
  int64_t x_stride;
  float* y;
  int64_t y_stride;
  int64_t rows, width;
};

struct NormGradArgs {
  RowsArgs rows;  // x, and dx (added to) or null
  const float* dy;
  int64_t dy_stride;
  const float* w;
  float eps;
  bool centred;           // LayerNorm
  float *mean, *inverse;  // of each row, written: x is normalized to (x - mean) * inverse
};

// dst[i] += scale * sum_r a[r, i] (b[r, i] - mean[r]) factor[r]; b, mean and factor may be null.
struct ColumnSumArgs {
  const float *a, *b;
  int64_t a_stride, b_stride;
  const float *mean, *factor;
  int64_t rows, width;
  float scale;
  float* dst;
};

struct SiluMulGradArgs {
  const float *gate, *up, *dy;
  int64_t gate_stride, up_stride, dy_stride;
  float *dgate, *dup;  // added to where not null
  int64_t dgate_stride, dup_stride, rows, width;
};

// Which numbers of a stream of base::Rng are kept: those whose upper 24 bits are at least
// `threshold`, times `factor`.
struct DropoutArgs {
  uint32_t key[2], layer, step, op, threshold;
  float factor;
  bool add;  // to what y holds
};

struct Kernels {
  const char* name;
  // Columns of a product are cut at multiples of this, and those with packed weights of that.
  int64_t column_step, packed_step;
  // Bytes of a code of x beside packed weights.
  int64_t code_bytes;

  // --- products ---
  // In 8 bits: rows [t0, t1) x outputs [n0, n1), at most kMaxPieceRows x kMaxPieceCols.
  void (*linear_block)(const LinearArgs&, int64_t t0, int64_t t1, int64_t n0, int64_t n1,
                       float* scratch);
  // All of up to kFewRows rows x outputs [n0, n1).
  void (*linear_few)(const LinearArgs&, int64_t n0, int64_t n1, float* scratch);
  // Rows [t0, t1) x numbers [n0, n1), whole groups but for the last, as large as linear_block's.
  void (*hidden_block)(const HiddenArgs&, int64_t t0, int64_t t1, int64_t n0, int64_t n1,
                       float* scratch);
  void (*linear_f32)(const LinearArgs&, const ProductPiece&, float* scratch);
  // The same beside weights in bfloat16 with x rounded to it, k an even number. Null in a set that
  // has nothing faster there than float32.
  void (*linear_bf16)(const LinearArgs&, const ProductPiece&, float* scratch);
  void (*product_block)(const ProductArgs&, const ProductPiece&, float* scratch);

  // --- attention ---
  // Queries [t0, t1) of `heads` query heads from `head` on, which share one key head;
  // heads <= attention_heads and (t1 - t0) * heads <= attention_rows.
  int64_t attention_heads, attention_rows;
  void (*attention_block)(const AttentionArgs&, int64_t head, int64_t heads, int64_t t0, int64_t t1,
                          float* scratch);

  // The same in 8 bits (encoding/attention_codes.h), for queries that see all of the keys, and in
  // bfloat16, for queries that see any of them; a set that has nothing faster there than float32
  // has no functions.
  CodedAttention attention_8bit, attention_bf16;

  // Writes `mean` of tokens [t0, t1).
  void (*attention_grad_mean)(const AttentionGradArgs&, int64_t t0, int64_t t1);
  // Queries of all heads that share key head `kv` against keys, at most kAttentionGradKeys.
  void (*attention_grad_block)(const AttentionGradArgs&, int64_t kv, const KeySpan& queries,
                               const KeySpan& keys, float* scratch);

  // --- rows ---
  void (*rms_norm)(const RowsArgs&, const float* w, float eps);
  void (*layer_norm)(const RowsArgs&, const float* w, const float* b, float eps);
  void (*activation)(const RowsArgs&, Act);
  void (*silu_mul)(const RowsArgs& gate_to_y, const float* up, int64_t up_stride);
  void (*add)(const RowsArgs& a_to_y, const float* b, int64_t b_stride, float scale);
  // One row of `heads` heads: y = x turned by the angles of `table` (width / 2 cosines, then
  // sines).
  void (*rope)(const float* x, int64_t x_stride, float* y, int64_t y_stride, int64_t heads,
               int64_t width, const float* table, float sign);
  // --- gradients of rows, added to their destinations ---
  void (*norm_grad)(const NormGradArgs&);
  void (*column_sums)(const ColumnSumArgs&);
  void (*activation_grad)(const RowsArgs& x_to_dx, const float* dy, int64_t dy_stride, Act);
  void (*silu_mul_grad)(const SiluMulGradArgs&);
  // y = x * s, or y += x * s
  void (*scale_columns)(const RowsArgs&, const float* s, bool add);
  // The first row's first number is number `first` of the stream.
  void (*dropout)(const RowsArgs&, const DropoutArgs&, uint64_t first);
  // --- softmax of one row ---
  // sum_i e^(scale (x[i] - most)); `most` is the largest.
  double (*exp_sum)(const float* x, int64_t count, float scale, float* most);
  // dx += factor e^(scale (x - most))
  void (*add_exp)(const float* x, int64_t count, float scale, float most, float factor, float* dx);
  // --- conversions of one row ---
  void (*decode)(Encoding, const std::byte* row, int64_t cols, float* out);
  void (*to_f16)(const float* x, int64_t count, uint16_t* y);
  void (*to_bf16)(const float* x, int64_t count, uint16_t* y);
  void (*quantize_row)(const float* x, int64_t cols, int8_t* codes, float* scales);
  void (*quantize_record)(const float* x, int64_t cols, const RecordShape&, std::byte* record);
  // --- the set's limits (limits.inl.h); `sink` holds 64 numbers ---
  double (*fma_loop)(int64_t count, float* sink);
  double (*dot_loop)(int64_t count, float* sink);
  double (*bf16_loop)(int64_t count, float* sink);  // null as linear_bf16
  void (*read_loop)(const float* p, int64_t count, float* sink);
};

// The table of a set; null where this build has no code for it.
const Kernels* kernels_x86_64_v3();
const Kernels* kernels_avx_vnni();
const Kernels* kernels_avx512();
const Kernels* kernels_avx512_vnni();
const Kernels* kernels_avx512_bf16();
const Kernels* kernels_neon();
const Kernels* kernels_neon_dotprod();
const Kernels* kernels_neon_i8mm();

}  // namespace ocelli::cpu
