#pragma once

#include "tensor/context.h"

namespace ocelli::ops {

// Pictures [B, C, Hp, Wp], cut into squares of P x P pixels row by row (what is left over at the
// right and at the bottom is not used) -> [B * (Hp / P) * (Wp / P), C * P * P], the columns in the
// order (c, dy, dx). Pixels are data: there is no gradient.
tensor::Tensor patches(tensor::Context& c, const tensor::Tensor& pixels, int64_t patch);

}  // namespace ocelli::ops
