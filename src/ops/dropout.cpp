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
  detail::on_backward(c, y, [x, dropped](Context& b, const Tensor& dy) {
    b.backend.dropout_grad(b.pool, dy, dropped, detail::gradient(b, x));
  });
  return y;
}

}  // namespace ocelli::ops
