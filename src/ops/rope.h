// Rotary positions, NeoX form: numbers i and i + Dh / 2 of a head are turned together.
#pragma once

#include <span>

#include "tensor/context.h"

namespace ocelli::ops {

using tensor::Context;
using tensor::Tensor;

// [T, 2 * F]: F cosines of positions[t] * inv_freq[i], then F sines, all times `attention_factor`;
// float32 throughout, as transformers does it. Positions are data: there is no gradient.
Tensor rope_table(Context& c, std::span<const int32_t> positions, std::span<const float> inv_freq,
                  float attention_factor);

// x [T, H, Dh] turned by a table [T, Dh] -> [T, H, Dh]
Tensor rope(Context& c, const Tensor& x, const Tensor& table);

}  // namespace ocelli::ops
