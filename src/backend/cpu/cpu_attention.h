// What the forward pass of attention and its gradient share.
#pragma once

#include "backend/cpu/kernels.h"
#include "tensor/backend.h"

namespace ocelli::cpu {

// Is there a kernel for these types, strides and widths?
bool has_attention_kernel(const tensor::AttentionJob& job);

AttentionArgs attention_args(const tensor::AttentionJob& job);

}  // namespace ocelli::cpu
