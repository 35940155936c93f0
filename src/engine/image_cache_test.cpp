#include "engine/image_cache.h"

#include <gtest/gtest.h>

namespace ocelli::engine {
namespace {

ImageKey key(char n) {
  return base::sha256(std::string_view(&n, 1));
}

std::shared_ptr<const Embeddings> value(size_t floats, float x) {
  return std::make_shared<Embeddings>(floats, x);
}

TEST(ImageCache, FindsWhatWasPutIn) {
  ImageCache cache(1000);
  EXPECT_EQ(cache.find(key(1)), nullptr);
  cache.insert(key(1), value(10, 1));
  ASSERT_NE(cache.find(key(1)), nullptr);
  EXPECT_EQ(cache.find(key(1))->at(0), 1);
  EXPECT_EQ(cache.find(key(2)), nullptr);
  EXPECT_EQ(cache.bytes(), 40);
}

TEST(ImageCache, ForgetsTheLeastRecentlyUsed) {
  ImageCache cache(120);
  for (char i = 1; i <= 3; ++i) cache.insert(key(i), value(10, float(i)));
  EXPECT_NE(cache.find(key(1)), nullptr);  // now 2 is the oldest
  cache.insert(key(4), value(10, 4));
  EXPECT_EQ(cache.find(key(2)), nullptr);
  EXPECT_NE(cache.find(key(1)), nullptr);
  EXPECT_NE(cache.find(key(3)), nullptr);
  EXPECT_NE(cache.find(key(4)), nullptr);
  EXPECT_EQ(cache.bytes(), 120);
  cache.insert(key(5), value(25, 5));  // 100 bytes: all others go
  EXPECT_EQ(cache.bytes(), 100);
  EXPECT_NE(cache.find(key(5)), nullptr);
  cache.set_capacity(90);
  EXPECT_EQ(cache.bytes(), 0);
  cache.insert(key(6), value(25, 6));
  EXPECT_EQ(cache.find(key(6)), nullptr);
}

TEST(ImageCache, OneThatIsTooLargeIsNotKept) {
  ImageCache cache(100);
  cache.insert(key(1), value(10, 1));
  cache.insert(key(2), value(26, 2));
  EXPECT_EQ(cache.find(key(2)), nullptr);
  EXPECT_NE(cache.find(key(1)), nullptr);
  EXPECT_EQ(cache.bytes(), 40);
}

TEST(ImageCache, TheFirstValueOfAKeyStays) {
  ImageCache cache(1000);
  cache.insert(key(1), value(10, 1));
  cache.insert(key(1), value(20, 2));
  EXPECT_EQ(cache.find(key(1))->at(0), 1);
  EXPECT_EQ(cache.bytes(), 40);
}

TEST(ImageCache, ClearAndValuesThatOutliveIt) {
  ImageCache cache(1000);
  cache.insert(key(1), value(10, 1));
  const auto held = cache.find(key(1));
  cache.clear();
  EXPECT_EQ(cache.bytes(), 0);
  EXPECT_EQ(cache.find(key(1)), nullptr);
  EXPECT_EQ(held->at(9), 1);
}

}  // namespace
}  // namespace ocelli::engine
