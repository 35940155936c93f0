#include "ops/add.h"

#include "ops/detail.h"

namespace ocelli::ops {

Tensor add(Context& c, const Tensor& a, const Tensor& b, float scale) {
  OCELLI_CHECK(a.row_uniform() && b.row_uniform(), "add: rows are contiguous");
  OCELLI_CHECK(a.dim(-1) == b.dim(-1), "add: rows of one width");
  OCELLI_CHECK(b.rows() > 0 && a.rows() % b.rows() == 0,
               "add: rows of b repeat a whole number of times");
  const Tensor y = detail::output_like(c, a, {a, b});
  c.backend.add(c.pool, a, b, scale, y);
  detail::on_backward(c, y, [a, b, scale](Context& back, const Tensor& dy) {
    if (a.grad) back.backend.accumulate(back.pool, dy, 1, detail::gradient(back, a));
    if (b.grad) back.backend.accumulate(back.pool, dy, scale, detail::gradient(back, b));
  });
  return y;
}

}  // namespace ocelli::ops
