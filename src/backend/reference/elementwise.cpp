#include <vector>

#include "backend/reference/loops.h"
#include "backend/reference/reference_backend.h"
#include "backend/reference/scalar.h"

namespace ocelli::reference {

void ReferenceBackend::activation(ThreadPool& pool, Activation f, const Tensor& x,
                                  const Tensor& y) {
  for_each(pool, x.rows(), [&](int64_t t) {
    const float* in = row(x, t);
    float* out = row(y, t);
    for (int64_t i = 0; i < x.dim(-1); ++i) out[i] = float(activate(f, in[i]));
  });
}

void ReferenceBackend::activation_grad(ThreadPool& pool, Activation f, const Tensor& x,
                                       const Tensor& dy, const Tensor& dx) {
  for_each(pool, x.rows(), [&](int64_t t) {
    for (int64_t i = 0; i < x.dim(-1); ++i) {
      row(dx, t)[i] += float(row(dy, t)[i] * activation_slope(f, row(x, t)[i]));
    }
  });
}

void ReferenceBackend::silu_mul(ThreadPool& pool, const Tensor& gate, const Tensor& up,
                                const Tensor& y) {
  for_each(pool, gate.rows(), [&](int64_t t) {
    const float *g = row(gate, t), *u = row(up, t);
    float* out = row(y, t);
    for (int64_t i = 0; i < gate.dim(-1); ++i) out[i] = float(silu(g[i]) * u[i]);
  });
}

void ReferenceBackend::silu_mul_grad(ThreadPool& pool, const Tensor& gate, const Tensor& up,
                                     const Tensor& dy, const Tensor& dgate, const Tensor& dup) {
  for_each(pool, gate.rows(), [&](int64_t t) {
    for (int64_t i = 0; i < gate.dim(-1); ++i) {
      const double g = row(gate, t)[i], d = row(dy, t)[i];
      if (dgate) row(dgate, t)[i] += float(d * row(up, t)[i] * silu_slope(g));
      if (dup) row(dup, t)[i] += float(d * silu(g));
    }
  });
}

void ReferenceBackend::add(ThreadPool& pool, const Tensor& a, const Tensor& b, float scale,
                           const Tensor& y) {
  for_each(pool, a.rows(), [&](int64_t t) {
    const float *left = row(a, t), *right = row(b, t % b.rows());
    float* out = row(y, t);
    for (int64_t i = 0; i < a.dim(-1); ++i) out[i] = left[i] + scale * right[i];
  });
}

void ReferenceBackend::accumulate(ThreadPool& pool, const Tensor& src, float scale,
                                  const Tensor& dst) {
  const int64_t width = dst.dim(-1);
  pool.parallel_for(dst.rows(), [&](int64_t begin, int64_t end) {
    std::vector<double> sum(static_cast<size_t>(width));
    for (int64_t r = begin; r < end; ++r) {
      std::fill(sum.begin(), sum.end(), 0.0);
      for (int64_t t = r; t < src.rows(); t += dst.rows()) {
        for (int64_t i = 0; i < width; ++i) sum[size_t(i)] += row(src, t)[i];
      }
      for (int64_t i = 0; i < width; ++i) row(dst, r)[i] += float(scale * sum[size_t(i)]);
    }
  });
}

void ReferenceBackend::scale_columns(ThreadPool& pool, const Tensor& x, const float* s,
                                     const Tensor& y) {
  for_each(pool, x.rows(), [&](int64_t t) {
    for (int64_t i = 0; i < x.dim(-1); ++i) row(y, t)[i] = row(x, t)[i] * s[i];
  });
}

void ReferenceBackend::scale_columns_grad(ThreadPool& pool, const Tensor& x, const float* s,
                                          const Tensor& dy, const Tensor& dx, float* ds) {
  if (dx) {
    for_each(pool, x.rows(), [&](int64_t t) {
      for (int64_t i = 0; i < x.dim(-1); ++i) row(dx, t)[i] += row(dy, t)[i] * s[i];
    });
  }
  if (!ds) return;
  for_each(
      pool, x.dim(-1),
      [&](int64_t i) {
        double sum = 0;
        for (int64_t t = 0; t < x.rows(); ++t) sum += double(row(dy, t)[i]) * row(x, t)[i];
        ds[i] += float(sum);
      },
      16);
}

}  // namespace ocelli::reference
