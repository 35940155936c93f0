// Muon: momentum whose matrices are made orthogonal before the step, by five rounds of Newton and
// Schulz. torch/optim/_muon.py with adjust_lr_fn = "match_rms_adamw"; float32 instead of bfloat16.
#include <algorithm>
#include <cmath>
#include <new>

#include "tensor/arena.h"
#include "tensor/backend.h"
#include "train/optimizer_rules.h"

namespace ocelli::train {
namespace {

using tensor::Tensor;

constexpr float kA = 3.4445f, kB = -4.7750f, kC = 2.0315f;
constexpr double kLeastNorm = 1e-7;

encoding::Weight as_weight(const Tensor& t) {
  encoding::Weight w;
  w.rows = t.dim(0);
  w.cols = t.dim(1);
  w.data = reinterpret_cast<const std::byte*>(t.data);
  return w;
}

// y += x w, with w [K, N] as it lies.
void add_product(tensor::Context& c, const Tensor& x, const Tensor& w, const Tensor& y) {
  c.backend.linear_grad_input(c.pool, x, as_weight(w), y);
}

// Divides x by its length.
void normalize(const Tensor& x) {
  double sum = 0;
  float* p = x.f32();
  for (int64_t i = 0; i < x.count(); ++i) sum += double(p[i]) * p[i];
  const auto factor = float(1 / std::max(std::sqrt(sum), kLeastNorm));
  for (int64_t i = 0; i < x.count(); ++i) p[i] *= factor;
}

void transpose(const float* from, int64_t rows, int64_t cols, float* to) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t k = 0; k < cols; ++k) to[k * rows + r] = from[r * cols + k];
  }
}

// x [m, n], m <= n, becomes nearly orthogonal rows in place.
void orthogonalize(tensor::Context& c, const Tensor& x, int iterations) {
  const int64_t m = x.dim(0), n = x.dim(1);
  normalize(x);
  const Tensor gram = Tensor::view(c.arena.take<float>(m * m), {m, m});
  const Tensor update = Tensor::view(c.arena.take<float>(m * m), {m, m});
  const Tensor next = Tensor::view(c.arena.take<float>(m * n), {m, n});
  const encoding::Weight wx = as_weight(x);
  for (int k = 0; k < iterations; ++k) {
    tensor::LinearJob job{x, &wx, gram};
    job.exact = true;
    c.backend.linear(c.pool, {&job, 1});  // gram = x x^T
    // update = b gram + c gram gram
    std::fill_n(update.f32(), m * m, 0.0f);
    add_product(c, gram, gram, update);
    for (int64_t i = 0; i < m * m; ++i) {
      update.f32()[i] = kB * gram.f32()[i] + kC * update.f32()[i];
    }
    // x = a x + update x
    std::fill_n(next.f32(), m * n, 0.0f);
    add_product(c, update, x, next);
    for (int64_t i = 0; i < m * n; ++i) x.f32()[i] = kA * x.f32()[i] + next.f32()[i];
  }
}

class Muon : public UpdateRule {
 public:
  Muon(const OptimizerOptions& options, int64_t count, std::unique_ptr<float[]> buffer)
      : options_(options), count_(count), buffer_(std::move(buffer)) {}

  void update(tensor::Context& c, const Parameter& p, const Update& u) override {
    const tensor::Scratch scratch(c.arena);
    const int64_t rows = p.rows(), cols = p.cols();
    const bool tall = rows > cols;
    const Tensor wanted = Tensor::view(c.arena.take<float>(p.count), {rows, cols});
    const auto momentum = float(options_.muon_momentum);
    for (int64_t i = 0; i < count_; ++i) {
      const float g = p.grad[i] * u.scale;
      float& b = buffer_[size_t(i)];
      b += (1 - momentum) * (g - b);             // buf.lerp_(grad, 1 - momentum)
      wanted.f32()[i] = g + momentum * (b - g);  // grad.lerp(buf, momentum)
    }
    Tensor x = wanted;
    if (tall) {
      x = Tensor::view(c.arena.take<float>(p.count), {cols, rows});
      transpose(wanted.f32(), rows, cols, x.f32());
    }
    orthogonalize(c, x, options_.muon_iterations);
    if (tall) transpose(x.f32(), cols, rows, wanted.f32());
    const auto rate = float(u.rate * 0.2 * std::sqrt(double(std::max(rows, cols))));
    const auto shrink = float(1 - u.rate * u.decay);
    for (int64_t i = 0; i < count_; ++i) {
      p.value[i] = p.value[i] * shrink - rate * wanted.f32()[i];
    }
  }

  void state(const std::string& prefix, std::vector<StateTensor>& out) override {
    out.push_back({prefix + "/momentum", false,
                   std::as_writable_bytes(std::span(buffer_.get(), size_t(count_)))});
  }

 private:
  const OptimizerOptions options_;
  int64_t count_;
  std::unique_ptr<float[]> buffer_;
};

}  // namespace

RuleResult make_muon(const OptimizerOptions& options, const Parameter& p) {
  OCELLI_ASSIGN(std::unique_ptr<float[]> buffer, state_memory<float>(p, p.count));
  return std::unique_ptr<UpdateRule>(std::make_unique<Muon>(options, p.count, std::move(buffer)));
}

}  // namespace ocelli::train
