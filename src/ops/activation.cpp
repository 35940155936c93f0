#include "ops/activation.h"

#include "ops/detail.h"

namespace ocelli::ops {

Tensor activation(Context& c, Activation f, const Tensor& x) {
  OCELLI_CHECK(x.row_uniform(), "activation: rows are contiguous");
  const Tensor y = detail::output_like(c, x, {x});
  c.backend.activation(c.pool, f, x, y);
  if (y.grad) {
    c.tape->push_back([f, x, y](Context& b) {
      if (!detail::reached(y)) return;
      const Tensor dx = detail::gradient(b, x);
      b.backend.activation_grad(b.pool, f, x, detail::gradient(b, y), dx);
    });
  }
  return y;
}

}  // namespace ocelli::ops
