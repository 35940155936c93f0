#include "nn/linear.h"

#include "ops/activation.h"
#include "ops/add.h"

namespace ocelli::nn {
namespace {

Tensor with_adapters(Context& c, Tensor y, const Tensor& x, const std::vector<Lora>& lora) {
  for (const Lora& l : lora)
    y = ops::add(c, y, ops::linear(c, ops::linear(c, x, l.a), l.b), l.scale);
  return y;
}

}  // namespace

Tensor Linear::operator()(Context& c, const Tensor& x, Activation activation,
                          const Tensor& residual) const {
  if (lora.empty()) return ops::linear(c, x, w, {bias, activation, residual});
  Tensor y = with_adapters(c, ops::linear(c, x, w, {bias, Activation::kNone, {}}), x, lora);
  if (activation != Activation::kNone) y = ops::activation(c, activation, y);
  return residual ? ops::add(c, residual, y) : y;
}

void detail::run_group(Context& c, const Tensor& x, std::span<const Linear> members,
                       std::span<Tensor> ys) {
  constexpr size_t kMost = 8;
  OCELLI_CHECK(members.size() <= kMost, "a group has at most eight members");
  std::array<const Weight*, kMost> ws{};
  std::array<Tensor, kMost> biases{};
  for (size_t i = 0; i < members.size(); ++i) {
    ws[i] = &members[i].w;
    biases[i] = members[i].bias;
  }
  ops::linear_group(c, x, std::span(ws).first(members.size()),
                    std::span(biases).first(members.size()), ys);
  for (size_t i = 0; i < members.size(); ++i) ys[i] = with_adapters(c, ys[i], x, members[i].lora);
}

}  // namespace ocelli::nn
