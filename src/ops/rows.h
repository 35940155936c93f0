// Moving rows about.
#pragma once

#include <span>

#include "tensor/context.h"

namespace ocelli::ops {

using tensor::Context;
using tensor::Tensor;

// x [R, D] -> [n, D], row i being x's row rows[i]. Rows may repeat.
Tensor gather_rows(Context& c, const Tensor& x, std::span<const int32_t> rows);

// base [T, D] with its rows rows[i] (all different) replaced by the rows of x [n, D]. Where no
// gradient flows it is written over base, and base is returned.
Tensor place_rows(Context& c, const Tensor& base, const Tensor& x, std::span<const int32_t> rows);

// Writes x's rows into rows rows[i] (all different) of a cache, rounding to its type, and returns
// the whole cache. x [n, D] and cache [S, D], or [n, H, Dh] and [S, H, Dh]. A cache holds no
// gradient: a tape is a broken promise.
Tensor store_rows(Context& c, const Tensor& x, std::span<const int32_t> rows, const Tensor& cache);

// Squares of s x s tokens of pictures become one token each: x [B * h * w, C] ->
// [B * h / s * w / s, s * s * C], row by row, the columns of a token in the order (dy, dx, c).
// s divides h and w.
Tensor pixel_shuffle(Context& c, const Tensor& x, int64_t h, int64_t w, int64_t s);

}  // namespace ocelli::ops
