#pragma once

#include "tensor/backend.h"

namespace ocelli::reference {

// All keys in codes; log_sum_exp may be given.
void attention_in_codes(base::ThreadPool& pool, const tensor::AttentionJob& job);

}  // namespace ocelli::reference
