#include <algorithm>

#include "backend/reference/loops.h"
#include "backend/reference/reference_backend.h"
#include "base/f16.h"
#include "encoding/encoding.h"

namespace ocelli::reference {
namespace {

using tensor::DType;

// Row i of y = the numbers of x, in y's type.
void store(const float* x, const Tensor& y, int64_t i) {
  const int64_t width = y.dim(-1);
  if (y.dtype == DType::kF32) {
    std::copy_n(x, width, row(y, i));
    return;
  }
  if (y.dtype == DType::kQ80) {
    std::byte* const to =
        static_cast<std::byte*>(y.data) + tensor::bytes_of(y.dtype, i * y.row_stride());
    return encoding::encode_row(encoding::Encoding::kQ80, x, width, to);
  }
  uint16_t* out = static_cast<uint16_t*>(y.data) + i * y.row_stride();
  for (int64_t c = 0; c < width; ++c) {
    out[c] = y.dtype == DType::kF16 ? base::float_to_f16(x[c]) : base::float_to_bf16(x[c]);
  }
}

// Head h of [T, H, Dh] as [T, Dh].
Tensor one_head(const Tensor& x, int64_t h) {
  Tensor t = x.slice(1, h, 1);
  t.rank = 2;
  t.shape = {x.dim(0), x.dim(2)};
  t.stride = {x.stride[0], x.stride[2]};
  return t;
}

}  // namespace

void ReferenceBackend::gather_rows(ThreadPool& pool, const Tensor& x, std::span<const int32_t> rows,
                                   const Tensor& y) {
  for_each(pool, int64_t(rows.size()), [&](int64_t i) { store(row(x, rows[size_t(i)]), y, i); });
}

void ReferenceBackend::scatter_rows(ThreadPool& pool, const Tensor& x,
                                    std::span<const int32_t> rows, bool add, const Tensor& y) {
  if (!add) {
    const bool heads = y.rank == 3;
    for (int64_t h = 0; h < (heads ? y.dim(1) : 1); ++h) {
      const Tensor from = heads ? one_head(x, h) : x, to = heads ? one_head(y, h) : y;
      for_each(pool, int64_t(rows.size()),
               [&](int64_t i) { store(row(from, i), to, rows[size_t(i)]); });
    }
    return;
  }
  for (size_t i = 0; i < rows.size(); ++i) {  // not cut: rows may repeat
    float* out = row(y, rows[i]);
    for (int64_t c = 0; c < y.dim(-1); ++c) out[c] += row(x, int64_t(i))[c];
  }
}

void ReferenceBackend::patches(ThreadPool& pool, const Tensor& pixels, int64_t patch,
                               const Tensor& y) {
  const int64_t rows = pixels.dim(2) / patch, columns = pixels.dim(3) / patch,
                channels = pixels.dim(1);
  for_each(pool, y.rows(), [&](int64_t i) {
    const int64_t picture = i / (rows * columns), top = i / columns % rows * patch,
                  left = i % columns * patch;
    float* out = row(y, i);
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t dy = 0; dy < patch; ++dy, out += patch) {
        const float* line = pixels.f32() + picture * pixels.stride[0] + c * pixels.stride[1] +
                            (top + dy) * pixels.stride[2] + left;
        std::copy_n(line, patch, out);
      }
    }
  });
}

}  // namespace ocelli::reference
