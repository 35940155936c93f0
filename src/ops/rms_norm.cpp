#include "ops/detail.h"
#include "ops/norm.h"

namespace ocelli::ops {

Tensor rms_norm(Context& c, const Tensor& x, const Tensor& w, float eps) {
  OCELLI_CHECK(x.row_uniform(), "rms_norm: rows are contiguous");
  OCELLI_CHECK(w.count() == x.dim(-1) && w.contiguous(), "rms_norm: a weight for each column");
  const Tensor y = detail::output_like(c, x, {x, w});
  c.backend.rms_norm(c.pool, x, w.f32(), eps, y);
  detail::on_backward(c, y, [x, w, eps](Context& b, const Tensor& dy) {
    const Tensor dx = detail::gradient(b, x);
    float* dw = detail::gradient_numbers(b, w);
    b.backend.rms_norm_grad(b.pool, x, w.f32(), eps, dy, dx, dw);
  });
  return y;
}

}  // namespace ocelli::ops
