#pragma once

#include <span>

#include "tensor/context.h"

namespace ocelli::ops {

// The mean over tokens of -log softmax(logits[t])[targets[t]]; logits [T, V] -> [1]. A token whose
// target is -1 does not count; if none counts the loss is 0.
tensor::Tensor cross_entropy(tensor::Context& c, const tensor::Tensor& logits,
                             std::span<const int32_t> targets);

}  // namespace ocelli::ops
