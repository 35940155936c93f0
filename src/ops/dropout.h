#pragma once

#include "tensor/context.h"

namespace ocelli::ops {

// While training each number is, with probability p in [0, 1), 0, and x / (1 - p) otherwise. Which
// ones is a function of c.rng and of the number's place alone: nothing is stored, and a block that
// is computed again (ops::recompute) drops the same ones. While running, and with p = 0, it is x
// itself.
tensor::Tensor dropout(tensor::Context& c, const tensor::Tensor& x, float p);

}  // namespace ocelli::ops
