#pragma once

#include "tensor/backend.h"
#include "tensor/context.h"

namespace ocelli::ops {

// The distance of logits [T, V] to a teacher's K likeliest tokens, as tensor::TopKJob says -> [1].
// The gradient flows to the logits.
tensor::Tensor top_k_divergence(tensor::Context& c, const tensor::TopKJob& job);

}  // namespace ocelli::ops
