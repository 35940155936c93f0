// Operations row by row.
#include <algorithm>
#include <cstring>

#include "backend/cpu/cpu_backend_impl.h"
#include "backend/cpu/cpu_pieces.h"
#include "backend/cpu/packed_weight.h"

namespace ocelli::cpu {
namespace {

std::byte* row_of(const Tensor& t, int64_t row) {
  return static_cast<std::byte*>(t.data) + tensor::bytes_of(t.dtype, row * t.row_stride());
}

void convert_row(const Kernels& kernels, const float* x, int64_t width, tensor::DType dtype,
                 std::byte* y) {
  switch (dtype) {
    case tensor::DType::kF32:
      std::memmove(y, x, size_t(width) * sizeof(float));
      break;
    case tensor::DType::kF16:
      kernels.to_f16(x, width, reinterpret_cast<uint16_t*>(y));
      break;
    case tensor::DType::kBF16:
      kernels.to_bf16(x, width, reinterpret_cast<uint16_t*>(y));
      break;
    case tensor::DType::kQ80:
      encoding::encode_row(Encoding::kQ80, x, width, y);
      break;
  }
}

// to[rows[i], :] += x[i, :]. Cut by columns: rows may come twice, and their sums keep their order.
void add_rows(ThreadPool& pool, const Kernels& kernels, const Tensor& x,
              std::span<const int32_t> rows, float* to, int64_t stride) {
  const int64_t xs = x.row_stride();
  for_columns(pool, int64_t(rows.size()), x.dim(-1), [&](int64_t begin, int64_t end) {
    for (size_t i = 0; i < rows.size(); ++i) {
      float* const at = to + rows[i] * stride + begin;
      kernels.add({at, 0, at, 0, 1, end - begin}, x.f32() + int64_t(i) * xs + begin, 0, 1.0f);
    }
  });
}

}  // namespace

void CpuBackend::embedding_grad(ThreadPool& pool, std::span<const int32_t> ids, const Tensor& dy,
                                const Weight& w) {
  add_rows(pool, kernels_, dy, ids, w.grad, w.cols);
}

void CpuBackend::embedding(ThreadPool& pool, std::span<const int32_t> ids, const Weight& w,
                           const Tensor& y) {
  const bool packed = w.layout == encoding::Layout::kPacked;
  for_rows(pool, int64_t(ids.size()), w.cols, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if (packed) {
        unpack_row(w, ids[size_t(i)], y.f32() + i * y.row_stride());
        continue;
      }
      kernels_.decode(w.encoding, w.row(ids[size_t(i)]), w.cols, y.f32() + i * y.row_stride());
    }
  });
}

void CpuBackend::rms_norm(ThreadPool& pool, const Tensor& x, const float* w, float eps,
                          const Tensor& y) {
  for_rows(pool, x.rows(), x.dim(-1), [&](int64_t begin, int64_t end) {
    kernels_.rms_norm(rows_of(x, y, begin, end), w, eps);
  });
}

void CpuBackend::layer_norm(ThreadPool& pool, const Tensor& x, const float* w, const float* b,
                            float eps, const Tensor& y) {
  for_rows(pool, x.rows(), x.dim(-1), [&](int64_t begin, int64_t end) {
    kernels_.layer_norm(rows_of(x, y, begin, end), w, b, eps);
  });
}

void CpuBackend::activation(ThreadPool& pool, Activation f, const Tensor& x, const Tensor& y) {
  for_rows(pool, x.rows(), x.dim(-1), [&](int64_t begin, int64_t end) {
    kernels_.activation(rows_of(x, y, begin, end), act_of(f));
  });
}

void CpuBackend::silu_mul(ThreadPool& pool, const Tensor& gate, const Tensor& up, const Tensor& y) {
  for_rows(pool, y.rows(), y.dim(-1), [&](int64_t begin, int64_t end) {
    const int64_t stride = up.row_stride();
    kernels_.silu_mul(rows_of(gate, y, begin, end), up.f32() + begin * stride, stride);
  });
}

void CpuBackend::add(ThreadPool& pool, const Tensor& a, const Tensor& b, float scale,
                     const Tensor& y) {
  const int64_t repeat = b.rows(), stride = b.row_stride();
  for_rows(pool, y.rows(), y.dim(-1), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end;) {
      const int64_t from = t % repeat, stop = std::min(end, t - from + repeat);
      kernels_.add(rows_of(a, y, t, stop), b.f32() + from * stride, stride, scale);
      t = stop;
    }
  });
}

void CpuBackend::gather_rows(ThreadPool& pool, const Tensor& x, std::span<const int32_t> rows,
                             const Tensor& y) {
  for_rows(pool, int64_t(rows.size()), y.dim(-1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float* const from = x.f32() + rows[size_t(i)] * x.row_stride();
      convert_row(kernels_, from, y.dim(-1), y.dtype, row_of(y, i));
    }
  });
}

void CpuBackend::scatter_rows(ThreadPool& pool, const Tensor& x, std::span<const int32_t> rows,
                              bool add, const Tensor& y) {
  if (add) return add_rows(pool, kernels_, x, rows, y.f32(), y.row_stride());
  const int64_t heads = y.rank == 3 ? y.dim(1) : 1;
  for_rows(pool, int64_t(rows.size()), heads * y.dim(-1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t to = rows[size_t(i)] * y.stride[0] + h * y.stride[1];
        convert_row(kernels_, x.f32() + i * x.stride[0] + h * x.stride[1], y.dim(-1), y.dtype,
                    static_cast<std::byte*>(y.data) + tensor::bytes_of(y.dtype, to));
      }
    }
  });
}

}  // namespace ocelli::cpu
