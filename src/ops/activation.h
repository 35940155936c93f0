// Functions of each number apart; the result has the shape of the first input.
#pragma once

#include "tensor/backend.h"
#include "tensor/context.h"

namespace ocelli::ops {

using tensor::Activation;
using tensor::Context;
using tensor::Tensor;

Tensor activation(Context& c, Activation f, const Tensor& x);

// silu(gate) * up
Tensor silu_mul(Context& c, const Tensor& gate, const Tensor& up);

}  // namespace ocelli::ops
