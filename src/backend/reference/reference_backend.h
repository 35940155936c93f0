// ReferenceBackend: the plain definition of every function of a backend. Other backends are
// compared with it, and derive from it for what they have no kernel of their own for.
//
// Sums run in float64, in order, and are rounded to float32 once; products with q8 weights add
// whole numbers inside a block (see linear.cpp). Work is cut by rows or heads only, so results are
// the same, bit for bit, on any number of threads. May be used from several threads at once.
#pragma once

#include "tensor/backend.h"

namespace ocelli::reference {

using encoding::Weight;
using tensor::Activation;
using tensor::Tensor;
using tensor::ThreadPool;

class ReferenceBackend : public tensor::Backend {
 public:
  std::string_view name() const override { return "reference"; }

  // linear.cpp. Weights in the plain layout.
  void linear(ThreadPool& pool, std::span<const tensor::LinearJob> jobs) override;
  void linear_grad_input(ThreadPool& pool, const Tensor& dy, const Weight& w,
                         const Tensor& dx) override;
  void linear_grad_weight(ThreadPool& pool, const Tensor& dy, const Tensor& x,
                          const Weight& w) override;
  // embedding.cpp
  void embedding(ThreadPool& pool, std::span<const int32_t> ids, const Weight& w,
                 const Tensor& y) override;
  void embedding_grad(ThreadPool& pool, std::span<const int32_t> ids, const Tensor& dy,
                      const Weight& w) override;

  // norm.cpp
  void rms_norm(ThreadPool& pool, const Tensor& x, const float* w, float eps,
                const Tensor& y) override;
  void rms_norm_grad(ThreadPool& pool, const Tensor& x, const float* w, float eps, const Tensor& dy,
                     const Tensor& dx, float* dw) override;
  void layer_norm(ThreadPool& pool, const Tensor& x, const float* w, const float* b, float eps,
                  const Tensor& y) override;
  void layer_norm_grad(ThreadPool& pool, const Tensor& x, const float* w, float eps,
                       const Tensor& dy, const Tensor& dx, float* dw, float* db) override;

  // rope.cpp
  void rope(ThreadPool& pool, const Tensor& x, const Tensor& table, float sign,
            const Tensor& y) override;
  void rope_table(ThreadPool& pool, std::span<const int32_t> positions,
                  std::span<const float> inv_freq, float factor, const Tensor& table) override;
  // attention.cpp, attention_grad.cpp
  void attention(ThreadPool& pool, const tensor::AttentionJob& job) override;
  void attention_grad(ThreadPool& pool, const tensor::AttentionGradJob& job) override;

  // elementwise.cpp
  void activation(ThreadPool& pool, Activation f, const Tensor& x, const Tensor& y) override;
  void activation_grad(ThreadPool& pool, Activation f, const Tensor& x, const Tensor& dy,
                       const Tensor& dx) override;
  void silu_mul(ThreadPool& pool, const Tensor& gate, const Tensor& up, const Tensor& y) override;
  void silu_mul_grad(ThreadPool& pool, const Tensor& gate, const Tensor& up, const Tensor& dy,
                     const Tensor& dgate, const Tensor& dup) override;
  void add(ThreadPool& pool, const Tensor& a, const Tensor& b, float scale,
           const Tensor& y) override;
  void accumulate(ThreadPool& pool, const Tensor& src, float scale, const Tensor& dst) override;
  void scale_columns(ThreadPool& pool, const Tensor& x, const float* s, const Tensor& y) override;
  void scale_columns_grad(ThreadPool& pool, const Tensor& x, const float* s, const Tensor& dy,
                          const Tensor& dx, float* ds) override;
  void dropout(ThreadPool& pool, const Tensor& x, const tensor::Dropout& d,
               const Tensor& y) override;
  void dropout_grad(ThreadPool& pool, const Tensor& dy, const tensor::Dropout& d,
                    const Tensor& dx) override;

  // rows.cpp
  void gather_rows(ThreadPool& pool, const Tensor& x, std::span<const int32_t> rows,
                   const Tensor& y) override;
  void scatter_rows(ThreadPool& pool, const Tensor& x, std::span<const int32_t> rows, bool add,
                    const Tensor& y) override;
  void patches(ThreadPool& pool, const Tensor& pixels, int64_t patch, const Tensor& y) override;

  // cross_entropy.cpp
  void cross_entropy(ThreadPool& pool, const Tensor& logits, std::span<const int32_t> targets,
                     float scale, const Tensor& loss) override;
  void cross_entropy_grad(ThreadPool& pool, const Tensor& logits, std::span<const int32_t> targets,
                          float scale, const Tensor& dloss, const Tensor& dlogits) override;
  void token_log_probs(ThreadPool& pool, const Tensor& logits, std::span<const int32_t> targets,
                       float* log_probs) override;
  void token_log_probs_grad(ThreadPool& pool, const Tensor& logits,
                            std::span<const int32_t> targets, const float* dlog_probs,
                            const Tensor& dlogits) override;
  // top_k_divergence.cpp
  void top_k_divergence(ThreadPool& pool, const tensor::TopKJob& job, const Tensor& loss) override;
  void top_k_divergence_grad(ThreadPool& pool, const tensor::TopKJob& job, const Tensor& dloss,
                             const Tensor& dlogits) override;
};

}  // namespace ocelli::reference
