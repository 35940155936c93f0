// Embedding: rows of a matrix, with adapters beside it.
#pragma once

#include <vector>

#include "nn/lora.h"

namespace ocelli::nn {

struct Embedding {
  Weight w;                // [V, D]
  std::vector<Lora> lora;  // a [V, rank], b [D, rank]; dropout does not apply, as in PEFT

  // ids, each in [0, V) -> [T, D]
  Tensor operator()(Context& c, std::span<const int32_t> ids) const;
};

}  // namespace ocelli::nn
