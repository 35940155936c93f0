#include "ops/activation.h"
#include "ops/detail.h"

namespace ocelli::ops {

Tensor silu_mul(Context& c, const Tensor& gate, const Tensor& up) {
  OCELLI_CHECK(gate.row_uniform() && up.row_uniform(), "silu_mul: rows are contiguous");
  OCELLI_CHECK(gate.rows() == up.rows() && gate.dim(-1) == up.dim(-1),
               "silu_mul: inputs of one shape");
  const Tensor y = detail::output_like(c, gate, {gate, up});
  c.backend.silu_mul(c.pool, gate, up, y);
  detail::on_backward(c, y, [gate, up](Context& b, const Tensor& dy) {
    const Tensor dgate = detail::gradient(b, gate), dup = detail::gradient(b, up);
    b.backend.silu_mul_grad(b.pool, gate, up, dy, dgate, dup);
  });
  return y;
}

}  // namespace ocelli::ops
