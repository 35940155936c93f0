// Norms over the last dimension; x [.., D] -> the same shape.
#pragma once

#include "tensor/context.h"

namespace ocelli::ops {

using tensor::Context;
using tensor::Tensor;

// x / sqrt(mean(x^2) + eps) * w, w [D]
Tensor rms_norm(Context& c, const Tensor& x, const Tensor& w, float eps);

// (x - mean) / sqrt(var + eps) * w + b, var over all D, w and b [D]
Tensor layer_norm(Context& c, const Tensor& x, const Tensor& w, const Tensor& b, float eps);

// One of the two: LayerNorm has a bias.
struct Norm {
  Tensor weight, bias = {};  // [D]
  float eps = 0;
};
Tensor norm(Context& c, const Tensor& x, const Norm& n);

}  // namespace ocelli::ops
