#pragma once

#include "tensor/context.h"

namespace ocelli::ops {

// y[t, n] = x[t, n] * s[n]; x [T, N], s [N].
tensor::Tensor scale_columns(tensor::Context& c, const tensor::Tensor& x, const tensor::Tensor& s);

}  // namespace ocelli::ops
