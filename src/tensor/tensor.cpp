#include "tensor/tensor.h"

#include <algorithm>

namespace ocelli::tensor {

int64_t Tensor::count() const {
  int64_t n = rank == 0 ? 0 : 1;
  for (int i = 0; i < rank; ++i) n *= shape[size_t(i)];
  return n;
}

bool Tensor::contiguous() const {
  int64_t expected = 1;
  for (int i = rank - 1; i >= 0; --i) {
    if (shape[size_t(i)] != 1 && stride[size_t(i)] != expected) return false;
    expected *= shape[size_t(i)];
  }
  return true;
}

bool Tensor::row_uniform() const {
  if (rank == 0 || (dim(-1) != 1 && stride[size_t(rank - 1)] != 1)) return false;
  for (int i = rank - 3; i >= 0; --i) {
    const auto at = size_t(i);
    if (shape[at] != 1 && stride[at] != shape[at + 1] * stride[at + 1]) return false;
  }
  return true;
}

Tensor Tensor::view(void* memory, std::initializer_list<int64_t> dims, DType dtype) {
  OCELLI_CHECK(dims.size() >= 1 && dims.size() <= kMaxRank, "a tensor has one to four dimensions");
  Tensor t;
  t.data = memory;
  t.dtype = dtype;
  t.rank = int(dims.size());
  std::copy(dims.begin(), dims.end(), t.shape.begin());
  int64_t stride = 1;
  for (int i = t.rank - 1; i >= 0; --i) {
    t.stride[size_t(i)] = stride;
    stride *= t.shape[size_t(i)];
  }
  return t;
}

Tensor Tensor::reshape(std::initializer_list<int64_t> dims) const {
  OCELLI_CHECK(contiguous(), "only contiguous numbers can take another shape");
  Tensor t = view(data, dims, dtype);
  OCELLI_CHECK(t.count() == count(), "a reshape keeps the number of elements");
  t.grad = grad;
  t.grad_offset = grad_offset;
  return t;
}

Tensor Tensor::slice(int axis, int64_t first, int64_t n) const {
  const auto a = size_t(axis < 0 ? axis + rank : axis);
  OCELLI_CHECK(a < size_t(rank) && first >= 0 && n >= 0 && first + n <= shape[a],
               "slice inside the tensor");
  Tensor t = *this;
  t.shape[a] = n;
  t.data = static_cast<char*>(data) + bytes_of(dtype, first * stride[a]);
  t.grad_offset += first * stride[a];
  return t;
}

Tensor Tensor::split_last(int64_t width) const {
  OCELLI_CHECK(rank < kMaxRank && width > 0 && dim(-1) % width == 0,
               "the width divides the last dimension");
  Tensor t = *this;
  const auto last = size_t(rank - 1);
  t.shape[last] = shape[last] / width;
  t.stride[last] = width * stride[last];
  t.shape[last + 1] = width;
  t.stride[last + 1] = stride[last];
  ++t.rank;
  return t;
}

}  // namespace ocelli::tensor
