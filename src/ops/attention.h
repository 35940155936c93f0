#pragma once

#include <span>

#include "tensor/backend.h"
#include "tensor/context.h"

namespace ocelli::ops {

// Softmax attention without a score matrix in memory: q [T, H, Dh], k and v [S, Hkv, Dh] (Hkv
// divides H, f32 or, without a gradient, f16) -> [T, H, Dh]. Query t sees keys ranges[t].begin to
// .end; one that sees none gives zeros. q, k and v may have any token and head stride.
tensor::Tensor attention(tensor::Context& c, const tensor::Tensor& q, const tensor::Tensor& k,
                         const tensor::Tensor& v, std::span<const tensor::KeyRange> ranges,
                         float scale);

// The same in 8 bits (AttentionJob::low_bits), unless exact arithmetic or a gradient is asked for:
// for many queries that see the same keys, beside weights of few bits.
tensor::Tensor attention_low_bits(tensor::Context& c, const tensor::Tensor& q,
                                  const tensor::Tensor& k, const tensor::Tensor& v,
                                  std::span<const tensor::KeyRange> ranges, float scale);

}  // namespace ocelli::ops
