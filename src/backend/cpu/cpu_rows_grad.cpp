// Gradients of operations row by row, and dropout.
#include <cmath>
#include <vector>

#include "backend/cpu/cpu_backend_impl.h"
#include "backend/cpu/cpu_pieces.h"

namespace ocelli::cpu {

void CpuBackend::column_sums(ThreadPool& pool, const ColumnSumArgs& args) {
  for_columns(pool, args.rows, args.width, [&](int64_t begin, int64_t end) {
    ColumnSumArgs part = args;
    part.a += begin;
    if (part.b) part.b += begin;
    part.dst += begin;
    part.width = end - begin;
    kernels_.column_sums(part);
  });
}

void CpuBackend::norm_grad(ThreadPool& pool, NormGradArgs args, float* dw, float* db) {
  const int64_t rows = args.rows.rows, width = args.rows.width;
  std::vector<float> moments(static_cast<size_t>(2 * rows));
  args.mean = moments.data();
  args.inverse = args.mean + rows;
  for_rows(pool, rows, width, [&](int64_t begin, int64_t end) {
    NormGradArgs part = args;
    part.rows.x += begin * args.rows.x_stride;
    if (part.rows.y) part.rows.y += begin * args.rows.y_stride;
    part.dy += begin * args.dy_stride;
    part.mean += begin;
    part.inverse += begin;
    part.rows.rows = end - begin;
    kernels_.norm_grad(part);
  });
  ColumnSumArgs sums{};
  sums.a = args.dy;
  sums.a_stride = args.dy_stride;
  sums.rows = rows;
  sums.width = width;
  sums.scale = 1;
  sums.dst = db;
  if (db) column_sums(pool, sums);
  sums.b = args.rows.x;
  sums.b_stride = args.rows.x_stride;
  sums.mean = args.mean;
  sums.factor = args.inverse;
  sums.dst = dw;
  if (dw) column_sums(pool, sums);
}

namespace {

NormGradArgs norm_args(const Tensor& x, const float* w, float eps, const Tensor& dy,
                       const Tensor& dx) {
  NormGradArgs a{};
  a.rows = {x.f32(),  x.row_stride(), dx ? dx.f32() : nullptr, dx ? dx.row_stride() : 0,
            x.rows(), x.dim(-1)};
  a.dy = dy.f32();
  a.dy_stride = dy.row_stride();
  a.w = w;
  a.eps = eps;
  return a;
}

}  // namespace

void CpuBackend::rms_norm_grad(ThreadPool& pool, const Tensor& x, const float* w, float eps,
                               const Tensor& dy, const Tensor& dx, float* dw) {
  norm_grad(pool, norm_args(x, w, eps, dy, dx), dw, nullptr);
}

void CpuBackend::layer_norm_grad(ThreadPool& pool, const Tensor& x, const float* w, float eps,
                                 const Tensor& dy, const Tensor& dx, float* dw, float* db) {
  NormGradArgs args = norm_args(x, w, eps, dy, dx);
  args.centred = true;
  norm_grad(pool, args, dw, db);
}

void CpuBackend::activation_grad(ThreadPool& pool, Activation f, const Tensor& x, const Tensor& dy,
                                 const Tensor& dx) {
  for_rows(pool, x.rows(), x.dim(-1), [&](int64_t begin, int64_t end) {
    const int64_t stride = dy.row_stride();
    kernels_.activation_grad(rows_of(x, dx, begin, end), dy.f32() + begin * stride, stride,
                             act_of(f));
  });
}

void CpuBackend::silu_mul_grad(ThreadPool& pool, const Tensor& gate, const Tensor& up,
                               const Tensor& dy, const Tensor& dgate, const Tensor& dup) {
  for_rows(pool, gate.rows(), gate.dim(-1), [&](int64_t begin, int64_t end) {
    const auto at = [begin](const Tensor& t) {
      return t ? t.f32() + begin * t.row_stride() : nullptr;
    };
    const auto stride = [](const Tensor& t) { return t ? t.row_stride() : 0; };
    kernels_.silu_mul_grad({at(gate), at(up), at(dy), stride(gate), stride(up), stride(dy),
                            at(dgate), at(dup), stride(dgate), stride(dup), end - begin,
                            gate.dim(-1)});
  });
}

void CpuBackend::accumulate(ThreadPool& pool, const Tensor& src, float scale, const Tensor& dst) {
  const int64_t rows = dst.rows(), repeats = rows == 0 ? 0 : src.rows() / rows;
  if (repeats <= 1) return repeats == 1 ? add(pool, dst, src, scale, dst) : void();
  ColumnSumArgs sums{};
  sums.a_stride = rows * src.row_stride();
  sums.rows = repeats;
  sums.width = dst.dim(-1);
  sums.scale = scale;
  const auto row_sums = [&](int64_t r) {
    ColumnSumArgs one = sums;
    one.a = src.f32() + r * src.row_stride();
    one.dst = dst.f32() + r * dst.row_stride();
    return one;
  };
  if (rows == 1) return column_sums(pool, row_sums(0));
  for_rows(pool, rows, dst.dim(-1) * repeats, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) kernels_.column_sums(row_sums(r));
  });
}

void CpuBackend::scale_columns(ThreadPool& pool, const Tensor& x, const float* s, const Tensor& y) {
  for_rows(pool, x.rows(), x.dim(-1), [&](int64_t begin, int64_t end) {
    kernels_.scale_columns(rows_of(x, y, begin, end), s, false);
  });
}

void CpuBackend::scale_columns_grad(ThreadPool& pool, const Tensor& x, const float* s,
                                    const Tensor& dy, const Tensor& dx, float* ds) {
  if (dx) {
    for_rows(pool, x.rows(), x.dim(-1), [&](int64_t begin, int64_t end) {
      kernels_.scale_columns(rows_of(dy, dx, begin, end), s, true);
    });
  }
  if (!ds) return;
  ColumnSumArgs sums{};
  sums.a = dy.f32();
  sums.a_stride = dy.row_stride();
  sums.b = x.f32();
  sums.b_stride = x.row_stride();
  sums.rows = x.rows();
  sums.width = x.dim(-1);
  sums.scale = 1;
  sums.dst = ds;
  column_sums(pool, sums);
}

void CpuBackend::drop(ThreadPool& pool, const Tensor& x, const tensor::Dropout& d, const Tensor& y,
                      bool add) {
  DropoutArgs args{};
  args.key[0] = uint32_t(d.rng.seed);
  args.key[1] = uint32_t(d.rng.seed >> 32);
  args.layer = d.rng.layer;
  args.step = d.rng.step;
  args.op = d.rng.op;
  // uniform_at() is a whole number of 2^-24.
  args.threshold = uint32_t(std::ceil(double(d.p) * 0x1p24));
  args.factor = float(1 / (1 - double(d.p)));
  args.add = add;
  for_rows(pool, x.rows(), x.dim(-1), [&](int64_t begin, int64_t end) {
    kernels_.dropout(rows_of(x, y, begin, end), args, uint64_t(begin * x.dim(-1)));
  });
}

void CpuBackend::dropout(ThreadPool& pool, const Tensor& x, const tensor::Dropout& d,
                         const Tensor& y) {
  drop(pool, x, d, y, false);
}

void CpuBackend::dropout_grad(ThreadPool& pool, const Tensor& dy, const tensor::Dropout& d,
                              const Tensor& dx) {
  drop(pool, dy, d, dx, true);
}

}  // namespace ocelli::cpu
