#pragma once

#include <span>

#include "tensor/backend.h"
#include "tensor/context.h"

namespace ocelli::ops {

// Softmax attention without a score matrix in memory: q [T, H, Dh], k and v [S, Hkv, Dh] (Hkv
// divides H, f32 or, without a gradient, f16) -> [T, H, Dh]. Query t sees keys ranges[t].begin to
// .end; one that sees none gives zeros. q, k and v may have any token and head stride.
// `numbers` other than float32 are used unless exact arithmetic or a gradient is asked for.
tensor::Tensor attention(tensor::Context& c, const tensor::Tensor& q, const tensor::Tensor& k,
                         const tensor::Tensor& v, std::span<const tensor::KeyRange> ranges,
                         float scale,
                         tensor::AttentionNumbers numbers = tensor::AttentionNumbers::kF32);

}  // namespace ocelli::ops
