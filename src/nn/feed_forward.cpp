#include "nn/feed_forward.h"

#include "ops/activation.h"
#include "ops/feed_forward.h"

namespace ocelli::nn {

Tensor feed_forward(Context& c, const Tensor& x, const ops::Norm& norm, const Linear& up,
                    Activation activation, const Linear& down, const Tensor& residual) {
  if (up.lora.empty() && down.lora.empty()) {
    const Tensor y = ops::feed_forward(
        c, x, norm, {nullptr, &up.w, &down.w, up.bias, down.bias, activation}, residual);
    if (y) return y;
  }
  return down(c, up(c, ops::norm(c, x, norm), activation), Activation::kNone, residual);
}

Tensor feed_forward(Context& c, const Tensor& x, const ops::Norm& norm,
                    const LinearGroup<2>& gate_up, const Linear& down, const Tensor& residual) {
  const auto& [gate, up] = gate_up.members;
  const bool plain = gate.lora.empty() && up.lora.empty() && !gate.bias && !up.bias;
  if (plain && down.lora.empty()) {
    const Tensor y = ops::feed_forward(
        c, x, norm, {&gate.w, &up.w, &down.w, {}, down.bias, Activation::kSilu}, residual);
    if (y) return y;
  }
  const auto [gates, ups] = gate_up(c, x, norm);
  return down(c, ops::silu_mul(c, gates, ups), Activation::kNone, residual);
}

}  // namespace ocelli::nn
