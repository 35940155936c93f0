// Sequence: where the tokens of one forward pass stand and what they see. Data, not baked into
// views.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "nn/kv_cache.h"
#include "ops/recompute.h"
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

// A sequence for blocks that may be computed again when the caller's is gone: a copy where there is
// a tape, else the caller's own.
std::shared_ptr<const Sequence> keep(const tensor::Context& c, const Sequence& sequence);

// Runs `block` on x [T, D] and returns its result. Without a tape the result is written over x and
// everything the block took from the arena is given back, so peak memory is one block's. With a
// tape and Context::recompute the block is copied into the tape (ops/recompute.h): it holds by
// value what the caller does not keep until the backward pass.
template <class Block>
tensor::Tensor run_block(tensor::Context& c, const tensor::Tensor& x, const Block& block) {
  if (c.tape) return c.recompute ? ops::recompute(c, x, block) : block(c, x);
  const tensor::Scratch scratch(c.arena);
  c.backend.activation(c.pool, tensor::Activation::kNone, block(c, x), x);
  return x;
}

}  // namespace ocelli::nn
