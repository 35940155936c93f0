#include "nn/kv_cache.h"

#include <utility>

namespace ocelli::nn {

using tensor::Arena;
using tensor::Tensor;

base::Result<KvCache> KvCache::create(const KvShape& shape, int64_t capacity, tensor::DType dtype) {
  OCELLI_CHECK(dtype != tensor::DType::kQ80 || holds_q8_0(shape), "heads of whole blocks");
  const int64_t row = shape.kv_heads * tensor::bytes_of(dtype, shape.head_dim);
  const int64_t table = (capacity * row + Arena::kAlign - 1) / Arena::kAlign * Arena::kAlign;
  OCELLI_ASSIGN(Arena memory,
                Arena::create(2 * shape.layers * table + 2 * Arena::kAlign, Arena::Pages::kSmall));
  KvCache cache(std::move(memory));
  cache.capacity_ = capacity;
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    for (auto* tables : {&cache.keys_, &cache.values_}) {
      Tensor heads = Tensor::view(cache.memory_.take_bytes(table),
                                  {shape.kv_heads, capacity, shape.head_dim}, dtype);
      std::swap(heads.shape[0], heads.shape[1]);
      std::swap(heads.stride[0], heads.stride[1]);
      tables->push_back(heads);
    }
  }
  return cache;
}

void KvCache::set_length(int64_t length) {
  OCELLI_CHECK(length >= 0 && length <= capacity_, "a cache holds at most its capacity");
  length_ = length;
}

}  // namespace ocelli::nn
