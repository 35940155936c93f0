#include "ops/dropout.h"

#include "ops/detail.h"

namespace ocelli::ops {

Tensor dropout(Context& c, const Tensor& x, float p) {
  OCELLI_CHECK(p >= 0 && p < 1, "dropout: a probability below 1");
  OCELLI_CHECK(x.row_uniform(), "dropout: rows are contiguous");
  if (!(c.tape || c.drops) || p == 0) return x;
  const tensor::Dropout dropped{c.rng, p};
  const Tensor y = detail::output_like(c, x, {x});
  c.backend.dropout(c.pool, x, dropped, y);
  if (y.grad) {
    c.tape->push_back([x, y, dropped](Context& b) {
      if (!detail::reached(y)) return;
      const Tensor dx = detail::gradient(b, x);
      b.backend.dropout_grad(b.pool, detail::gradient(b, y), dropped, dx);
    });
  }
  return y;
}

}  // namespace ocelli::ops
