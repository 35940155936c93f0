#include "nn/sequence.h"

namespace ocelli::nn {

Sequence Sequence::causal(int64_t count, KvCache* cache) {
  Sequence s;
  s.cache = cache;
  const int64_t first = cache ? cache->length() : 0;
  for (int64_t i = 0; i < count; ++i) {
    const auto at = int32_t(first + i);
    s.positions.push_back(at);
    s.ranges.push_back({0, at + 1});
    if (cache) s.cache_rows.push_back(at);
  }
  return s;
}

Sequence Sequence::packed(std::span<const int64_t> lengths) {
  Sequence s;
  int32_t begin = 0;
  for (const int64_t length : lengths) {
    for (int32_t i = 0; i < int32_t(length); ++i) {
      s.positions.push_back(i);
      s.ranges.push_back({begin, begin + i + 1});
    }
    begin += int32_t(length);
  }
  return s;
}

std::shared_ptr<const Sequence> keep(const tensor::Context& c, const Sequence& sequence) {
  if (c.tape) return std::make_shared<const Sequence>(sequence);
  return {std::shared_ptr<const Sequence>(), &sequence};  // owns nothing
}

}  // namespace ocelli::nn
