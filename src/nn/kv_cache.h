// KvCache: keys and values of the tokens that a sequence has gone through, for every layer.
//
// Rows are tokens: keys(layer) is [capacity, Hkv, Dh]. In memory a head's tokens follow each other,
// because attention reads them so. Address space for the whole capacity is reserved at once; memory
// is used as tokens come. Going back to an earlier length is free.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "tensor/arena.h"
#include "tensor/tensor.h"

namespace ocelli::nn {

struct KvShape {
  int64_t layers = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
};

class KvCache {
 public:
  // `dtype` f32, f16 or q8_0; the last where holds_q8_0() is true.
  static base::Result<KvCache> create(const KvShape& shape, int64_t capacity, tensor::DType dtype);

  tensor::Tensor keys(int64_t layer) const { return keys_[size_t(layer)]; }
  tensor::Tensor values(int64_t layer) const { return values_[size_t(layer)]; }
  int64_t capacity() const { return capacity_; }
  int64_t length() const { return length_; }
  // Tokens [0, length) count from now on. Called once per forward pass, after all layers have
  // stored.
  void set_length(int64_t length);

  static int64_t bytes_per_token(const KvShape& shape, tensor::DType dtype) {
    return 2 * shape.layers * shape.kv_heads * tensor::bytes_of(dtype, shape.head_dim);
  }
  // Whether the heads are whole blocks.
  static bool holds_q8_0(const KvShape& shape) { return shape.head_dim % encoding::kBlock == 0; }

 private:
  explicit KvCache(tensor::Arena memory) : memory_(std::move(memory)) {}
  tensor::Arena memory_;
  std::vector<tensor::Tensor> keys_, values_;
  int64_t capacity_ = 0, length_ = 0;
};

}  // namespace ocelli::nn
