#include <cmath>
#include <vector>

#include "backend/reference/loops.h"
#include "backend/reference/reference_backend.h"

namespace ocelli::reference {
namespace {

// A row's mean (0 for RMSNorm) and 1 / sqrt(mean((x - mean)^2) + eps).
struct Moments {
  double mean = 0, inverse = 0;
};

Moments moments(const float* x, int64_t width, float eps, bool centred) {
  Moments m;
  for (int64_t i = 0; centred && i < width; ++i) m.mean += double(x[i]) / double(width);
  double square = 0;
  for (int64_t i = 0; i < width; ++i) square += (x[i] - m.mean) * (x[i] - m.mean);
  m.inverse = 1 / std::sqrt(square / double(width) + double(eps));
  return m;
}

void forward(ThreadPool& pool, const Tensor& x, const float* w, const float* b, float eps,
             const Tensor& y) {
  for_each(pool, x.rows(), [&](int64_t t) {
    const float* in = row(x, t);
    float* out = row(y, t);
    const Moments m = moments(in, x.dim(-1), eps, b != nullptr);
    for (int64_t i = 0; i < x.dim(-1); ++i) {
      out[i] = float((in[i] - m.mean) * m.inverse * w[i] + (b ? double(b[i]) : 0.0));
    }
  });
}

// With n = (x - mean) * inverse and g = dy * w:
// dx = inverse * (g - mean(g) - n * mean(g n)), the middle term for LayerNorm only.
void input_grad(const float* x, const float* w, const float* dy, int64_t width, const Moments& m,
                bool centred, float* dx) {
  double mean_g = 0, mean_gn = 0;
  for (int64_t i = 0; i < width; ++i) {
    const double g = double(dy[i]) * w[i];
    mean_g += g / double(width);
    mean_gn += g * (x[i] - m.mean) * m.inverse / double(width);
  }
  if (!centred) mean_g = 0;
  for (int64_t i = 0; i < width; ++i) {
    const double g = double(dy[i]) * w[i];
    dx[i] += float(m.inverse * (g - mean_g - (x[i] - m.mean) * m.inverse * mean_gn));
  }
}

struct NormGrad {
  const Tensor &x, &dy, &dx;
  const float* w;
  float* dw;
  float* db;
  float eps;
  bool centred;
};

void backward(ThreadPool& pool, const NormGrad& g) {
  const int64_t width = g.x.dim(-1), rows = g.x.rows();
  std::vector<Moments> kept(static_cast<size_t>(rows));
  for_each(pool, rows, [&](int64_t t) {
    kept[size_t(t)] = moments(row(g.x, t), width, g.eps, g.centred);
    if (g.dx)
      input_grad(row(g.x, t), g.w, row(g.dy, t), width, kept[size_t(t)], g.centred, row(g.dx, t));
  });
  if (!g.dw && !g.db) return;
  for_each(
      pool, width,
      [&](int64_t i) {
        double dw = 0, db = 0;
        for (int64_t t = 0; t < rows; ++t) {
          const Moments& m = kept[size_t(t)];
          const double d = row(g.dy, t)[i];
          dw += d * (row(g.x, t)[i] - m.mean) * m.inverse;
          db += d;
        }
        if (g.dw) g.dw[i] += float(dw);
        if (g.db) g.db[i] += float(db);
      },
      16);
}

}  // namespace

void ReferenceBackend::rms_norm(ThreadPool& pool, const Tensor& x, const float* w, float eps,
                                const Tensor& y) {
  forward(pool, x, w, nullptr, eps, y);
}

void ReferenceBackend::rms_norm_grad(ThreadPool& pool, const Tensor& x, const float* w, float eps,
                                     const Tensor& dy, const Tensor& dx, float* dw) {
  backward(pool, {x, dy, dx, w, dw, nullptr, eps, false});
}

void ReferenceBackend::layer_norm(ThreadPool& pool, const Tensor& x, const float* w, const float* b,
                                  float eps, const Tensor& y) {
  forward(pool, x, w, b, eps, y);
}

void ReferenceBackend::layer_norm_grad(ThreadPool& pool, const Tensor& x, const float* w, float eps,
                                       const Tensor& dy, const Tensor& dx, float* dw, float* db) {
  backward(pool, {x, dy, dx, w, dw, db, eps, true});
}

}  // namespace ocelli::reference
