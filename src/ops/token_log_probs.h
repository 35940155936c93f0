#pragma once

#include <span>

#include "tensor/context.h"

namespace ocelli::ops {

// log softmax(logits[t])[targets[t]] of each token, 0 where the target is -1; logits [T, V] -> [T].
tensor::Tensor token_log_probs(tensor::Context& c, const tensor::Tensor& logits,
                               std::span<const int32_t> targets);

}  // namespace ocelli::ops
