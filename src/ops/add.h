#pragma once

#include "tensor/context.h"

namespace ocelli::ops {

// a + scale * b, shaped like a. b [R, D] (or [D]) may have fewer rows than a [T, D], R dividing T:
// row t of b is then its row t % R.
tensor::Tensor add(tensor::Context& c, const tensor::Tensor& a, const tensor::Tensor& b,
                   float scale = 1);

}  // namespace ocelli::ops
