#include "ops/linear.h"

#include <algorithm>

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

void run(Context& c, std::span<const tensor::LinearJob> jobs) {
  if (c.cancelled()) return;
  if (c.observer)
    for (const tensor::LinearJob& job : jobs) (*c.observer)(*job.w, job.x);
  c.backend.linear(c.pool, jobs);
}

void add_gradients(Context& c, const Tensor& dy, const Tensor& x, const Weight& w) {
  if (x.grad) c.backend.linear_grad_input(c.pool, dy, w, detail::gradient(c, x));  // dx += dy w
  if (w.grad) c.backend.linear_grad_weight(c.pool, dy, x, w);                      // dw += dy^T x
}

// x w^T + bias + residual, without an activation: none of its values is needed for the gradient.
Tensor product(Context& c, const Tensor& x, const Weight& w, const Epilogue& e) {
  const Tensor y = c.output({x.dim(0), w.rows}, {x, detail::parameter(w), e.bias, e.residual});
  const tensor::LinearJob job = job_of(c, x, w, e, y);
  run(c, {&job, 1});
  detail::on_backward(c, y, [x, w, e](Context& b, const Tensor& dy) {
    for (const Tensor& t : {e.bias, e.residual}) {
      if (t.grad) b.backend.accumulate(b.pool, dy, 1, detail::gradient(b, t));
    }
    add_gradients(b, dy, x, w);
  });
  return y;
}

// dx += scale * dy w
void add_scaled_input_gradient(Context& c, const Tensor& dy, const Weight& w, float scale,
                               const Tensor& dx) {
  const tensor::Scratch scratch(c.arena);
  const Tensor bare = detail::zeros_like(c, dx);
  c.backend.linear_grad_input(c.pool, dy, w, bare);
  c.backend.accumulate(c.pool, bare, scale, dx);
}

// linear_group(); `norm` only where nothing has a gradient.
void run_group(Context& c, const Tensor& x, const tensor::Norm& norm,
               std::span<const Weight* const> ws, std::span<const Tensor> biases,
               std::span<Tensor> ys) {
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
    jobs[fused] = job_of(c, x, *ws[i], e, ys[i]);
    jobs[fused++].norm = norm;
  }
  if (fused > 0) run(c, std::span(jobs).first(fused));
}

}  // namespace

Tensor linear(Context& c, const Tensor& x, const Weight& w, const Epilogue& e) {
  check(x, w, e);
  if (detail::wants_gradient(c, {x, detail::parameter(w), e.bias, e.residual})) {
    if (e.activation == Activation::kNone) return product(c, x, w, e);
    const Tensor y = activation(c, e.activation, product(c, x, w, {e.bias}));
    return e.residual ? add(c, y, e.residual) : y;
  }
  const Tensor y = c.output({x.dim(0), w.rows}, {});
  const tensor::LinearJob job = job_of(c, x, w, e, y);
  run(c, {&job, 1});
  return y;
}

void linear_group(Context& c, const Tensor& x, std::span<const Weight* const> ws,
                  std::span<const Tensor> biases, std::span<Tensor> ys) {
  run_group(c, x, {}, ws, biases, ys);
}

void linear_group(Context& c, const Tensor& x, const Norm& norm, std::span<const Weight* const> ws,
                  std::span<const Tensor> biases, std::span<Tensor> ys) {
  const bool trained = std::any_of(biases.begin(), biases.end(), [&](const Tensor& bias) {
    return detail::wants_gradient(c, {bias});
  });
  if (!trained && detail::takes_norm(c, x, norm, ws))
    return run_group(c, x, detail::norm_of(x, norm), ws, biases, ys);
  run_group(c, ops::norm(c, x, norm), {}, ws, biases, ys);
}

Tensor add_product(Context& c, const Tensor& y, const Tensor& x, const Weight& w, float scale) {
  check(x, w, {{}, Activation::kNone, y});
  Tensor result = y;
  const bool own = !y.grad && detail::wants_gradient(c, {x, detail::parameter(w)});
  if (own) result.grad = new (c.arena.take<tensor::Grad>(1)) tensor::Grad{nullptr, y.count()};
  const Tensor scaled = scale == 1 ? x : detail::scaled_copy(c, x, scale);
  const tensor::LinearJob job = job_of(c, scaled, w, {{}, Activation::kNone, y}, y);
  run(c, {&job, 1});
  if (!detail::wants_gradient(c, {result})) return result;
  c.tape->push_back([x, scaled, w, result, scale, own](Context& b) {
    if (!detail::reached(result)) return;
    const Tensor dy = detail::gradient(b, result);
    if (w.grad) b.backend.linear_grad_weight(b.pool, dy, scaled, w);
    if (x.grad) add_scaled_input_gradient(b, dy, w, scale, detail::gradient(b, x));
    if (own) tensor::drop_gradient(b, result);  // otherwise the op that made y still reads it
  });
  return result;
}

}  // namespace ocelli::ops
