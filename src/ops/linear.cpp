#include "ops/linear.h"

#include "ops/activation.h"
#include "ops/add.h"
#include "ops/detail.h"

namespace ocelli::ops {
namespace {

using encoding::Encoding;

void check(const Tensor& x, const Weight& w, const Epilogue& e) {
  OCELLI_CHECK(x.rank == 2 && x.row_uniform(), "linear: x is [T, K] with contiguous rows");
  OCELLI_CHECK(x.dim(1) == w.cols, "linear: x is as wide as the weight");
  OCELLI_CHECK(!e.bias || (e.bias.count() == w.rows && e.bias.contiguous()),
               "linear: one bias an output");
  OCELLI_CHECK(!e.residual || (e.residual.rows() == x.dim(0) && e.residual.dim(-1) == w.rows &&
                               e.residual.row_uniform()),
               "linear: the residual is shaped like the result");
  OCELLI_CHECK(!w.grad || w.encoding == Encoding::kF32 || w.encoding == Encoding::kBF16,
               "linear: only f32 and bf16 weights have a gradient");
}

tensor::LinearJob job_of(const Context& c, const Tensor& x, const Weight& w, const Epilogue& e,
                         const Tensor& y) {
  return {x, &w, y, e.bias ? e.bias.f32() : nullptr, e.activation, e.residual, c.exact};
}

// y = x w^T
Tensor product(Context& c, const Tensor& x, const Weight& w) {
  const Tensor y = c.output({x.dim(0), w.rows}, {x, detail::parameter(w)});
  const tensor::LinearJob job = job_of(c, x, w, {}, y);
  c.backend.linear(c.pool, {&job, 1});
  if (y.grad) {
    c.tape->push_back([x, w, y](Context& b) {
      if (!detail::reached(y)) return;
      const Tensor dy = detail::gradient(b, y);
      if (x.grad) b.backend.linear_grad_input(b.pool, dy, w, detail::gradient(b, x));  // dx += dy w
      if (w.grad) b.backend.linear_grad_weight(b.pool, dy, x, w);  // dw += dy^T x
    });
  }
  return y;
}

}  // namespace

Tensor linear(Context& c, const Tensor& x, const Weight& w, const Epilogue& e) {
  check(x, w, e);
  if (detail::wants_gradient(c, {x, detail::parameter(w), e.bias, e.residual})) {
    Tensor y = product(c, x, w);
    if (e.bias) y = add(c, y, e.bias);
    if (e.activation != Activation::kNone) y = activation(c, e.activation, y);
    if (e.residual) y = add(c, y, e.residual);
    return y;
  }
  const Tensor y = c.output({x.dim(0), w.rows}, {});
  const tensor::LinearJob job = job_of(c, x, w, e, y);
  c.backend.linear(c.pool, {&job, 1});
  return y;
}

void linear_group(Context& c, const Tensor& x, std::span<const Weight* const> ws,
                  std::span<const Tensor> biases, std::span<Tensor> ys) {
  OCELLI_CHECK(ws.size() <= kMaxGroup && ys.size() == ws.size(),
               "linear_group: a result for each weight");
  OCELLI_CHECK(biases.empty() || biases.size() == ws.size(),
               "linear_group: no bias or one for each weight");
  std::array<tensor::LinearJob, kMaxGroup> jobs;
  size_t fused = 0;
  for (size_t i = 0; i < ws.size(); ++i) {
    const Epilogue e{biases.empty() ? Tensor{} : biases[i]};
    if (detail::wants_gradient(c, {x, detail::parameter(*ws[i]), e.bias})) {
      ys[i] = linear(c, x, *ws[i], e);
      continue;
    }
    check(x, *ws[i], e);
    ys[i] = c.output({x.dim(0), ws[i]->rows}, {});
    jobs[fused++] = job_of(c, x, *ws[i], e, ys[i]);
  }
  if (fused > 0) c.backend.linear(c.pool, std::span(jobs).first(fused));
}

}  // namespace ocelli::ops
