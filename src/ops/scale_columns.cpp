#include "ops/scale_columns.h"

#include "ops/detail.h"

namespace ocelli::ops {

Tensor scale_columns(Context& c, const Tensor& x, const Tensor& s) {
  OCELLI_CHECK(x.row_uniform(), "scale_columns: rows are contiguous");
  OCELLI_CHECK(s.count() == x.dim(-1) && s.contiguous(), "scale_columns: a factor for each column");
  const Tensor y = detail::output_like(c, x, {x, s});
  c.backend.scale_columns(c.pool, x, s.f32(), y);
  detail::on_backward(c, y, [x, s](Context& b, const Tensor& dy) {
    const Tensor dx = detail::gradient(b, x);
    float* ds = detail::gradient_numbers(b, s);
    b.backend.scale_columns_grad(b.pool, x, s.f32(), dy, dx, ds);
  });
  return y;
}

}  // namespace ocelli::ops
