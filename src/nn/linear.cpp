#include "nn/linear.h"

#include <algorithm>

#include "ops/activation.h"
#include "ops/add.h"

namespace ocelli::nn {
Tensor Linear::operator()(Context& c, const Tensor& x, Activation activation,
                          const Tensor& residual) const {
  if (lora.empty()) return ops::linear(c, x, w, {bias, activation, residual});
  const bool bare = needs_bare_product(lora);
  if (!bare && activation == Activation::kNone) {
    return apply(c, ops::linear(c, x, w, {bias, activation, residual}), x, w, lora);
  }
  Tensor y = apply(c, ops::linear(c, x, w, {bare ? Tensor() : bias}), x, w, lora);
  if (bare && bias) y = ops::add(c, y, bias);
  if (activation != Activation::kNone) y = ops::activation(c, activation, y);
  return residual ? ops::add(c, residual, y) : y;
}

tensor::AttentionNumbers attention_numbers(std::span<const Linear> members,
                                           tensor::AttentionNumbers few) {
  using encoding::Encoding;
  const auto in_few_bits = [](const Linear& l) {
    const Encoding e = l.w.encoding;
    return e == Encoding::kQ8 || e == Encoding::kQ4 || encoding::has_groups(e);
  };
  const auto in_bf16 = [&](const Linear& l) {
    return l.w.encoding == Encoding::kBF16 || in_few_bits(l);
  };
  if (std::all_of(members.begin(), members.end(), in_few_bits)) return few;
  return std::all_of(members.begin(), members.end(), in_bf16) ? tensor::AttentionNumbers::kBF16
                                                              : tensor::AttentionNumbers::kF32;
}

void detail::run_group(Context& c, Tensor x, const ops::Norm* norm, std::span<const Linear> members,
                       std::span<Tensor> ys) {
  constexpr size_t kMost = 8;
  OCELLI_CHECK(members.size() <= kMost, "a group has at most eight members");
  std::array<const Weight*, kMost> ws{};
  std::array<Tensor, kMost> biases{};
  for (size_t i = 0; i < members.size(); ++i) {
    ws[i] = &members[i].w;
    if (!needs_bare_product(members[i].lora)) biases[i] = members[i].bias;
  }
  const auto all = std::span(ws).first(members.size());
  const auto added = std::span(biases).first(members.size());
  const auto plain = [](const Linear& m) { return m.lora.empty(); };
  if (norm && std::all_of(members.begin(), members.end(), plain))
    return ops::linear_group(c, x, *norm, all, added, ys);
  if (norm) x = ops::norm(c, x, *norm);
  ops::linear_group(c, x, all, added, ys);
  for (size_t i = 0; i < members.size(); ++i) {
    const Linear& m = members[i];
    if (m.lora.empty()) continue;
    ys[i] = apply(c, ys[i], x, m.w, m.lora);
    if (m.bias && !biases[i]) ys[i] = ops::add(c, ys[i], m.bias);
  }
}

}  // namespace ocelli::nn
