#include "nn/kv_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace ocelli::nn {
namespace {

using tensor::DType;
using tensor::Tensor;
using testing::ElementsAre;

TEST(KvCache, ShapesAndBytes) {
  const KvShape shape{3, 2, 8};
  for (const DType dtype : {DType::kF32, DType::kF16}) {
    const KvCache cache = *KvCache::create(shape, 100, dtype);
    EXPECT_EQ(cache.capacity(), 100);
    EXPECT_EQ(cache.length(), 0);
    EXPECT_EQ(KvCache::bytes_per_token(shape, dtype), 2 * 3 * 2 * tensor::bytes_of(dtype, 8));
    for (int64_t layer = 0; layer < 3; ++layer) {
      for (const Tensor& t : {cache.keys(layer), cache.values(layer)}) {
        EXPECT_EQ(t.rank, 3);
        EXPECT_EQ(t.dtype, dtype);
        EXPECT_THAT(std::vector<int64_t>(t.shape.begin(), t.shape.begin() + 3),
                    ElementsAre(100, 2, 8));
        EXPECT_THAT(std::vector<int64_t>(t.stride.begin(), t.stride.begin() + 3),
                    ElementsAre(8, 100 * 8, 1));
      }
    }
  }
}

TEST(KvCache, EightBitsTakeWholeBlocks) {
  const KvShape shape{2, 3, 64};
  ASSERT_TRUE(KvCache::holds_q8_0(shape));
  EXPECT_FALSE(KvCache::holds_q8_0({2, 3, 72}));
  EXPECT_EQ(KvCache::bytes_per_token(shape, DType::kQ80), 2 * 2 * 3 * 68);
  const KvCache cache = *KvCache::create(shape, 100, DType::kQ80);
  const auto* const first = static_cast<const char*>(cache.keys(1).data);
  EXPECT_EQ(static_cast<const char*>(cache.keys(1).slice(0, 7, 1).data) - first, 7 * 68);
  EXPECT_EQ(static_cast<const char*>(cache.keys(1).slice(1, 2, 1).data) - first, 2 * 100 * 68);
  EXPECT_GE(static_cast<const char*>(cache.values(1).data) - first, 100 * 3 * 68);
}

// Every table is memory of its own, to its last byte.
TEST(KvCache, TablesDoNotOverlap) {
  for (const DType dtype : {DType::kF32, DType::kF16}) {
    const KvCache cache = *KvCache::create({4, 1, 3}, 5, dtype);
    const auto bytes = size_t(tensor::bytes_of(dtype, 5 * 3));
    for (int64_t layer = 0; layer < 4; ++layer) {
      std::memset(cache.keys(layer).data, int(2 * layer), bytes);
      std::memset(cache.values(layer).data, int(2 * layer + 1), bytes);
    }
    for (int64_t layer = 0; layer < 4; ++layer) {
      const auto* k = static_cast<const unsigned char*>(cache.keys(layer).data);
      const auto* v = static_cast<const unsigned char*>(cache.values(layer).data);
      for (size_t i = 0; i < bytes; ++i) {
        ASSERT_EQ(k[i], 2 * layer);
        ASSERT_EQ(v[i], 2 * layer + 1);
      }
    }
  }
}

TEST(KvCache, LengthsUpToTheCapacity) {
  KvCache cache = *KvCache::create({1, 1, 2}, 4, DType::kF32);
  for (const int64_t length : {4, 0, 3, 1}) {
    cache.set_length(length);
    EXPECT_EQ(cache.length(), length);
  }
  EXPECT_DEATH(cache.set_length(5), "a cache holds at most its capacity");
  EXPECT_DEATH(cache.set_length(-1), "a cache holds at most its capacity");
  const void* keys = cache.keys(0).data;
  const KvCache moved = std::move(cache);
  EXPECT_EQ(moved.keys(0).data, keys);
  EXPECT_EQ(moved.length(), 1);
}

TEST(KvCache, WhatDoesNotFitIsAnError) {
  const auto cache = KvCache::create({1024, 1024, 1024}, 1 << 22, DType::kF32);
  ASSERT_FALSE(cache.ok());
  EXPECT_EQ(cache.error().code, base::Code::kDoesNotFit);
}

}  // namespace
}  // namespace ocelli::nn
