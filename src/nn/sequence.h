// Sequence: where the tokens of one forward pass stand and what they see. Data, not baked into
// views.
#pragma once

#include <span>
#include <vector>

#include "nn/kv_cache.h"
#include "tensor/backend.h"
#include "tensor/context.h"

namespace ocelli::nn {

struct Sequence {
  std::vector<int32_t> positions;  // of each token, for rotary embeddings
  std::vector<tensor::KeyRange>
      ranges;                       // the keys each token sees: rows of the cache, or of the pass
  std::vector<int32_t> cache_rows;  // where each token's key and value go
  KvCache* cache = nullptr;         // null: keys and values of this pass alone

  int64_t tokens() const { return int64_t(positions.size()); }

  // `count` tokens that follow what the cache holds; each sees everything before it and itself.
  static Sequence causal(int64_t count, KvCache* cache);
  // Samples of the given lengths side by side, without attention between them, no cache.
  static Sequence packed(std::span<const int64_t> lengths);
};

// Runs `block` on x [T, D] and returns its result. Without a tape the result is written over x and
// everything the block took from the arena is given back, so peak memory is one block's.
template <class Block>
tensor::Tensor run_block(tensor::Context& c, const tensor::Tensor& x, const Block& block) {
  if (c.tape) return block(c, x);
  const tensor::Scratch scratch(c.arena);
  c.backend.activation(c.pool, tensor::Activation::kNone, block(c, x), x);
  return x;
}

}  // namespace ocelli::nn
