// Linear: y = x W^T + b, with adapters beside it. The only layer that owns a Weight besides
// embeddings.
#pragma once

#include <array>
#include <vector>

#include "nn/lora.h"
#include "ops/linear.h"

namespace ocelli::nn {

struct Linear {
  Weight w;                // [out, in]
  Tensor bias;             // [out], or empty
  std::vector<Lora> lora;  // none, one, or several at once

  // x [T, in] -> activation(x W^T + b + adapters) + residual, [T, out]
  Tensor operator()(Context& c, const Tensor& x, Activation activation = Activation::kNone,
                    const Tensor& residual = {}) const;
};

namespace detail {
// `norm` may be null.
void run_group(Context& c, Tensor x, const ops::Norm* norm, std::span<const Linear> members,
               std::span<Tensor> ys);
}  // namespace detail

// Several products of one input (q/k/v, gate/up): one hand-out of work, and one packed
// weight where a backend packs. Each member keeps its own name, adapters and gradient.
template <size_t N>
struct LinearGroup {
  std::array<Linear, N> members;

  // x [T, in] -> N results [T, out_i]
  std::array<Tensor, N> operator()(Context& c, const Tensor& x) const {
    std::array<Tensor, N> ys;
    detail::run_group(c, x, nullptr, members, ys);
    return ys;
  }
  // The same of norm(x).
  std::array<Tensor, N> operator()(Context& c, const Tensor& x, const ops::Norm& norm) const {
    std::array<Tensor, N> ys;
    detail::run_group(c, x, &norm, members, ys);
    return ys;
  }
};

// What attention beside these may compute with: `few` where all weights are in blocks of few bits,
// bfloat16 where they are in that or in fewer bits.
tensor::AttentionNumbers attention_numbers(std::span<const Linear> members,
                                           tensor::AttentionNumbers few);

}  // namespace ocelli::nn
