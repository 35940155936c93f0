// What the plain loops share.
#pragma once

#include "base/thread_pool.h"
#include "tensor/tensor.h"

namespace ocelli::reference {

using tensor::Tensor;

// Row i of a row-uniform float32 tensor.
inline float* row(const Tensor& t, int64_t i) {
  return t.f32() + i * t.row_stride();
}

// Head h of token t of a float32 tensor [T, H, Dh].
inline float* head(const Tensor& x, int64_t t, int64_t h) {
  return x.f32() + t * x.stride[0] + h * x.stride[1];
}

// body(i) for each i in [0, count), in any order.
template <class Body>
void for_each(base::ThreadPool& pool, int64_t count, const Body& body, int64_t grain = 1) {
  pool.parallel_for(
      count,
      [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) body(i);
      },
      grain);
}

}  // namespace ocelli::reference
