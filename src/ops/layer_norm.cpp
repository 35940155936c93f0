#include "ops/detail.h"
#include "ops/norm.h"

namespace ocelli::ops {

Tensor layer_norm(Context& c, const Tensor& x, const Tensor& w, const Tensor& bias, float eps) {
  OCELLI_CHECK(x.row_uniform(), "layer_norm: rows are contiguous");
  OCELLI_CHECK(w.count() == x.dim(-1) && w.contiguous(), "layer_norm: a weight for each column");
  OCELLI_CHECK(bias.count() == x.dim(-1) && bias.contiguous(),
               "layer_norm: a bias for each column");
  const Tensor y = detail::output_like(c, x, {x, w, bias});
  c.backend.layer_norm(c.pool, x, w.f32(), bias.f32(), eps, y);
  detail::on_backward(c, y, [x, w, bias, eps](Context& b, const Tensor& dy) {
    const Tensor dx = detail::gradient(b, x);
    float* dw = detail::gradient_numbers(b, w);
    float* db = detail::gradient_numbers(b, bias);
    b.backend.layer_norm_grad(b.pool, x, w.f32(), eps, dy, dx, dw, db);
  });
  return y;
}

Tensor norm(Context& c, const Tensor& x, const Norm& n) {
  return n.bias ? layer_norm(c, x, n.weight, n.bias, n.eps) : rms_norm(c, x, n.weight, n.eps);
}

}  // namespace ocelli::ops
