#include "ops/dropped_linear.h"

#include "ops/detail.h"
#include "ops/linear.h"

namespace ocelli::ops {
namespace {

// What is left of x, until the caller's Scratch ends.
Tensor kept_of(Context& c, const Tensor& x, const tensor::Dropout& dropped) {
  const Tensor kept = detail::output_like(c, x, {});
  c.backend.dropout(c.pool, x, dropped, kept);
  return kept;
}

}  // namespace

Tensor dropped_linear(Context& c, const Tensor& x, float p, const Weight& w) {
  OCELLI_CHECK(p >= 0 && p < 1, "dropped_linear: a probability below 1");
  if (!(c.tape || c.drops) || p == 0) return linear(c, x, w);
  const tensor::Dropout dropped{c.rng, p};
  const Tensor y = c.output({x.dim(0), w.rows}, {x, detail::parameter(w)});
  {
    const tensor::Scratch scratch(c.arena);
    Context plain = c;
    plain.tape = nullptr;
    detail::copy(c, linear(plain, kept_of(c, x, dropped), w), y);
  }
  detail::on_backward(c, y, [x, w, dropped](Context& b, const Tensor& dy) {
    const Tensor dx = detail::gradient(b, x);
    const tensor::Scratch scratch(b.arena);
    if (w.grad) b.backend.linear_grad_weight(b.pool, dy, kept_of(b, x, dropped), w);
    if (!dx) return;
    const Tensor dkept = detail::zeros_like(b, x);
    b.backend.linear_grad_input(b.pool, dy, w, dkept);
    b.backend.dropout_grad(b.pool, dkept, dropped, dx);
  });
  return y;
}

}  // namespace ocelli::ops
