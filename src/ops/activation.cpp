#include "ops/activation.h"

#include "ops/detail.h"

namespace ocelli::ops {

Tensor activation(Context& c, Activation f, const Tensor& x) {
  OCELLI_CHECK(x.row_uniform(), "activation: rows are contiguous");
  const Tensor y = detail::output_like(c, x, {x});
  c.backend.activation(c.pool, f, x, y);
  detail::on_backward(c, y, [f, x](Context& b, const Tensor& dy) {
    b.backend.activation_grad(b.pool, f, x, dy, detail::gradient(b, x));
  });
  return y;
}

}  // namespace ocelli::ops
