#pragma once

#include <span>

#include "encoding/weight.h"
#include "tensor/context.h"

namespace ocelli::ops {

// Rows of a matrix [V, D]: ids (each in [0, V)) -> [T, D].
tensor::Tensor embedding(tensor::Context& c, std::span<const int32_t> ids,
                         const encoding::Weight& w);

}  // namespace ocelli::ops
