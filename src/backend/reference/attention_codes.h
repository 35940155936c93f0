#pragma once

#include "tensor/backend.h"

namespace ocelli::reference {

// A job in 8 bits.
void attention_in_codes(base::ThreadPool& pool, const tensor::AttentionJob& job);

}  // namespace ocelli::reference
