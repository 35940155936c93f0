#pragma once

#include "encoding/weight.h"
#include "ops/norm.h"
#include "tensor/backend.h"
#include "tensor/context.h"

namespace ocelli::ops {

// The matrices of a feed-forward network: hidden = activation(x up^T + up_bias), with a gate
// activation(x gate^T) * (x up^T); y = hidden down^T + down_bias.
struct FeedForward {
  const encoding::Weight* gate = nullptr;       // [H, K] or null; then up has no bias
  const encoding::Weight* up = nullptr;         // [H, K]
  const encoding::Weight* down = nullptr;       // [N, H]
  tensor::Tensor up_bias = {}, down_bias = {};  // [H], [N], or empty
  tensor::Activation activation = tensor::Activation::kNone;
};

// norm(x) [T, K] -> y + residual [T, N], without `hidden` or the normalized rows in memory. Empty
// where the backend has no such form, or a gradient or exact arithmetic is asked for: then the
// caller goes step by step, which gives the same numbers.
tensor::Tensor feed_forward(tensor::Context& c, const tensor::Tensor& x, const Norm& norm,
                            const FeedForward& network, const tensor::Tensor& residual);

}  // namespace ocelli::ops
