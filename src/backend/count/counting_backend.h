// CountingBackend: computes nothing and touches no tensor. A forward pass on it, over an arena that
// is only reserved, tells how much work the pass is, and the arena's peak how much memory it needs.
//
// Weights may have no data; ids, positions, rows and ranges must be real.
#pragma once

#include "tensor/backend.h"

namespace ocelli::count {

using encoding::Weight;
using tensor::Activation;
using tensor::Tensor;
using tensor::ThreadPool;

// Of forward functions, and of the gradients of products and attention.
struct Work {
  int64_t product_macs = 0;    // multiply-adds of products with weights
  int64_t attention_macs = 0;  // of scores and of values
  int64_t exponentials = 0;    // of attention
  int64_t weight_bytes =
      0;  // stored bytes of weights read: all of a product's, rows of an embedding's

  Work operator-(const Work& earlier) const {
    return {product_macs - earlier.product_macs, attention_macs - earlier.attention_macs,
            exponentials - earlier.exponentials, weight_bytes - earlier.weight_bytes};
  }
  bool operator==(const Work&) const = default;
};

// Not thread-safe.
class CountingBackend : public tensor::Backend {
 public:
  const Work& work() const { return work_; }
  void reset() { work_ = {}; }

  std::string_view name() const override { return "count"; }
  bool takes_norm(const Weight& w) const override {
    return w.layout == encoding::Layout::kPacked;  // as the CPU's backends
  }
  void linear(ThreadPool& pool, std::span<const tensor::LinearJob> jobs) override;
  // Those of packed weights keep nothing inside, as in the CPU's backends.
  bool feed_forward(ThreadPool& pool, const tensor::FeedForwardJob& job) override;
  void embedding(ThreadPool& pool, std::span<const int32_t> ids, const Weight& w,
                 const Tensor& y) override;
  void attention(ThreadPool& pool, const tensor::AttentionJob& job) override;

  // Small beside those.
  void rms_norm(ThreadPool&, const Tensor&, const float*, float, const Tensor&) override {}
  void layer_norm(ThreadPool&, const Tensor&, const float*, const float*, float,
                  const Tensor&) override {}
  void rope(ThreadPool&, const Tensor&, const Tensor&, float, const Tensor&) override {}
  void rope_table(ThreadPool&, std::span<const int32_t>, std::span<const float>, float,
                  const Tensor&) override {}
  void activation(ThreadPool&, Activation, const Tensor&, const Tensor&) override {}
  void silu_mul(ThreadPool&, const Tensor&, const Tensor&, const Tensor&) override {}
  void add(ThreadPool&, const Tensor&, const Tensor&, float, const Tensor&) override {}
  void gather_rows(ThreadPool&, const Tensor&, std::span<const int32_t>, const Tensor&) override {}
  void scatter_rows(ThreadPool&, const Tensor&, std::span<const int32_t>, bool,
                    const Tensor&) override {}
  void patches(ThreadPool&, const Tensor&, int64_t, const Tensor&) override {}
  void scale_columns(ThreadPool&, const Tensor&, const float*, const Tensor&) override {}
  void dropout(ThreadPool&, const Tensor&, const tensor::Dropout&, const Tensor&) override {}
  void cross_entropy(ThreadPool&, const Tensor&, std::span<const int32_t>, float,
                     const Tensor&) override {}
  void token_log_probs(ThreadPool&, const Tensor&, std::span<const int32_t>, float*) override {}
  void top_k_divergence(ThreadPool&, const tensor::TopKJob&, const Tensor&) override {}

  // Gradients of products and attention count; the others are small beside those.
  void linear_grad_input(ThreadPool& pool, const Tensor& dy, const Weight& w,
                         const Tensor& dx) override;
  void linear_grad_weight(ThreadPool& pool, const Tensor& dy, const Tensor& x,
                          const Weight& w) override;
  void embedding_grad(ThreadPool&, std::span<const int32_t>, const Tensor&,
                      const Weight&) override {}
  void rms_norm_grad(ThreadPool&, const Tensor&, const float*, float, const Tensor&, const Tensor&,
                     float*) override {}
  void layer_norm_grad(ThreadPool&, const Tensor&, const float*, float, const Tensor&,
                       const Tensor&, float*, float*) override {}
  void attention_grad(ThreadPool& pool, const tensor::AttentionGradJob& job) override;
  void activation_grad(ThreadPool&, Activation, const Tensor&, const Tensor&,
                       const Tensor&) override {}
  void silu_mul_grad(ThreadPool&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                     const Tensor&) override {}
  void accumulate(ThreadPool&, const Tensor&, float, const Tensor&) override {}
  void scale_columns_grad(ThreadPool&, const Tensor&, const float*, const Tensor&, const Tensor&,
                          float*) override {}
  void dropout_grad(ThreadPool&, const Tensor&, const tensor::Dropout&, const Tensor&) override {}
  void token_log_probs_grad(ThreadPool&, const Tensor&, std::span<const int32_t>, const float*,
                            const Tensor&) override {}
  void top_k_divergence_grad(ThreadPool&, const tensor::TopKJob&, const Tensor&,
                             const Tensor&) override {}
  void cross_entropy_grad(ThreadPool&, const Tensor&, std::span<const int32_t>, float,
                          const Tensor&, const Tensor&) override {}

 private:
  Work work_;
};

}  // namespace ocelli::count
