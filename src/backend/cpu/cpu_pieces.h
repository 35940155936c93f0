// How operations on rows are cut for threads.
#pragma once

#include <algorithm>

#include "backend/cpu/kernels.h"
#include "base/thread_pool.h"
#include "tensor/backend.h"

namespace ocelli::cpu {

// Numbers in one piece: less is not worth another thread.
inline constexpr int64_t kPieceNumbers = 1 << 15;

// Calls body(begin, end) for pieces of the rows.
template <class Body>
void for_rows(base::ThreadPool& pool, int64_t rows, int64_t width, Body body) {
  pool.parallel_for(rows, body, std::max<int64_t>(kPieceNumbers / std::max<int64_t>(width, 1), 1));
}

// Calls body(begin, end) for pieces of the columns: for sums over rows, which keep their order.
template <class Body>
void for_columns(base::ThreadPool& pool, int64_t rows, int64_t width, Body body) {
  constexpr int64_t kStep = 64;  // whole vectors of every set, whole cache lines
  const int64_t steps = (width + kStep - 1) / kStep;
  pool.parallel_for(
      steps, [&](int64_t begin, int64_t end) { body(begin * kStep, std::min(width, end * kStep)); },
      std::max<int64_t>(kPieceNumbers / kStep / std::max<int64_t>(rows, 1), 1));
}

inline RowsArgs rows_of(const tensor::Tensor& x, const tensor::Tensor& y, int64_t begin,
                        int64_t end) {
  const int64_t xs = x.row_stride(), ys = y.row_stride();
  return {x.f32() + begin * xs, xs, y.f32() + begin * ys, ys, end - begin, x.dim(-1)};
}

inline Act act_of(tensor::Activation a) {
  switch (a) {
    case tensor::Activation::kNone:
      break;
    case tensor::Activation::kGeluTanh:
      return Act::kGeluTanh;
    case tensor::Activation::kSilu:
      return Act::kSilu;
  }
  return Act::kNone;
}

}  // namespace ocelli::cpu
