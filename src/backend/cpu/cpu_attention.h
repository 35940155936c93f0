// What the forms of attention and its gradient share.
#pragma once

#include "backend/cpu/kernels.h"
#include "base/thread_pool.h"
#include "tensor/backend.h"

namespace ocelli::cpu {

// Is there a kernel for these types, strides and widths?
bool has_attention_kernel(const tensor::AttentionJob& job);

AttentionArgs attention_args(const tensor::AttentionJob& job);

// Heads that one piece takes: a divisor of `group`, at most `limit`.
int64_t heads_within(int64_t group, int64_t limit);

// A job in 8 bits, and one in bfloat16 (cpu_attention_coded.cpp); false if it is one for float32:
// the set has no kernels, the queries are few, or the keys would take much memory.
void attention_in_codes(base::ThreadPool& pool, const Kernels& kernels, const AttentionArgs& a);
bool attention_in_bf16(base::ThreadPool& pool, const Kernels& kernels, const AttentionArgs& a);

}  // namespace ocelli::cpu
