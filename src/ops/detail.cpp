#include "ops/detail.h"

namespace ocelli::ops::detail {

bool wants_gradient(const Context& c, std::initializer_list<Tensor> inputs) {
  return c.tape &&
         std::any_of(inputs.begin(), inputs.end(), [](const Tensor& t) { return t.grad; });
}

Tensor some_gradient() {
  static tensor::Grad some;  // only asked whether it is there
  Tensor t;
  t.grad = &some;
  return t;
}

Tensor parameter(const Weight& w) {
  return w.grad ? some_gradient() : Tensor{};
}

bool takes_norm(const Context& c, const Tensor& x, const Norm& n,
                std::span<const Weight* const> ws) {
  if (c.exact || c.observer || wants_gradient(c, {x, n.weight, n.bias})) return false;
  return std::all_of(ws.begin(), ws.end(), [&](const Weight* w) {
    return c.backend.takes_norm(*w) && !wants_gradient(c, {parameter(*w)});
  });
}

tensor::Norm norm_of(const Tensor& x, const Norm& n) {
  OCELLI_CHECK(n.weight.count() == x.dim(-1) && n.weight.contiguous(),
               "norm: a weight for each column");
  OCELLI_CHECK(!n.bias || (n.bias.count() == x.dim(-1) && n.bias.contiguous()),
               "norm: no bias or one for each column");
  return {n.weight.f32(), n.bias ? n.bias.f32() : nullptr, n.eps};
}

Tensor output_like(Context& c, const Tensor& like, std::initializer_list<Tensor> inputs) {
  const auto& s = like.shape;
  switch (like.rank) {
    case 1:
      return c.output({s[0]}, inputs);
    case 2:
      return c.output({s[0], s[1]}, inputs);
    case 3:
      return c.output({s[0], s[1], s[2]}, inputs);
    case 4:
      return c.output({s[0], s[1], s[2], s[3]}, inputs);
  }
  OCELLI_CHECK(false, "a tensor has one to four dimensions");
}

Tensor zeros_like(Context& c, const Tensor& like) {
  const Tensor zeros = output_like(c, like, {});
  if (!c.arena.counts_only()) std::fill_n(zeros.f32(), zeros.count(), 0.0f);
  return zeros;
}

Tensor scaled_copy(Context& c, const Tensor& x, float scale) {
  const Tensor y = zeros_like(c, x);
  c.backend.accumulate(c.pool, x, scale, y);
  return y;
}

Tensor gradient(Context& c, const Tensor& t) {
  if (!t.grad) return {};
  Tensor g = t;
  g.data = tensor::grad_of(c, t);
  g.dtype = tensor::DType::kF32;
  g.grad = nullptr;
  g.grad_offset = 0;
  return g;
}

float* gradient_numbers(Context& c, const Tensor& t) {
  return t.grad ? tensor::grad_of(c, t) : nullptr;
}

Tensor merge_heads(const Tensor& x) {
  OCELLI_CHECK(x.rank == 3 && x.stride[2] == 1 && (x.dim(1) == 1 || x.stride[1] == x.dim(2)),
               "heads of one token must follow each other");
  Tensor t = x;
  t.rank = 2;
  t.shape = {x.dim(0), x.dim(1) * x.dim(2)};
  t.stride = {x.stride[0], 1};
  return t;
}

bool all_below(std::span<const int32_t> indices, int64_t limit) {
  return std::all_of(indices.begin(), indices.end(),
                     [limit](int32_t i) { return i >= 0 && i < limit; });
}

}  // namespace ocelli::ops::detail
