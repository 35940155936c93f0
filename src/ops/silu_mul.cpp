#include "ops/activation.h"
#include "ops/detail.h"

namespace ocelli::ops {

Tensor silu_mul(Context& c, const Tensor& gate, const Tensor& up) {
  OCELLI_CHECK(gate.row_uniform() && up.row_uniform(), "silu_mul: rows are contiguous");
  OCELLI_CHECK(gate.rows() == up.rows() && gate.dim(-1) == up.dim(-1),
               "silu_mul: inputs of one shape");
  const Tensor y = detail::output_like(c, gate, {gate, up});
  c.backend.silu_mul(c.pool, gate, up, y);
  if (y.grad) {
    c.tape->push_back([gate, up, y](Context& b) {
      if (!detail::reached(y)) return;
      const Tensor dgate = detail::gradient(b, gate), dup = detail::gradient(b, up);
      b.backend.silu_mul_grad(b.pool, gate, up, detail::gradient(b, y), dgate, dup);
    });
  }
  return y;
}

}  // namespace ocelli::ops
