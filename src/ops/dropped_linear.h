#pragma once

#include "encoding/weight.h"
#include "tensor/context.h"

namespace ocelli::ops {

// dropout(x, p) w^T; x [T, K], w [N, K]. As dropout and linear one after the other, but what is
// left of x is not kept for the gradient: the same numbers are drawn a second time.
tensor::Tensor dropped_linear(tensor::Context& c, const tensor::Tensor& x, float p,
                              const encoding::Weight& w);

}  // namespace ocelli::ops
