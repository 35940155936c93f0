#include "base/rng.h"

#include <gtest/gtest.h>

#include <set>

namespace ocelli::base {
namespace {

// The known answers published with Random123 (kat_vectors, philox4x32 10).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Rng, AStreamIsItsIndices) {
  Rng stream(7, 1, 2, 3);
  const Rng fixed(7, 1, 2, 3);
  for (uint64_t i = 0; i < 100; ++i) EXPECT_EQ(stream.next_u32(), fixed.u32_at(i));
  const uint64_t both = stream.next_u64();
  EXPECT_EQ(uint32_t(both), fixed.u32_at(100));
  EXPECT_EQ(uint32_t(both >> 32), fixed.u32_at(101));
}

TEST(Rng, EveryPartOfTheKeyCounts) {
  std::set<uint64_t> first;
  int streams = 0;
  for (const uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32}) {
    for (const uint32_t step : {0u, 1u, 0xFFFFFFFFu}) {
      for (const uint32_t layer : {0u, 1u, 0xFFFFu}) {
        for (const uint32_t op : {0u, 1u, 0x10000u}) {
          first.insert(Rng(seed, step, layer, op).next_u64());
          ++streams;
        }
      }
    }
  }
  EXPECT_EQ(int(first.size()), streams);
  EXPECT_NE(Rng(0).u32_at(0), Rng(0).u32_at(uint64_t{1} << 34));
}

TEST(Rng, UniformIsUniform) {
  Rng rng(42);
  constexpr int kCells = 16, kDraws = 160'000;
  int cells[kCells] = {};
  double sum = 0;
  for (int i = 0; i < kDraws; ++i) {
    const float u = rng.next_uniform();
    ASSERT_GE(u, 0.0f);
    ASSERT_LT(u, 1.0f);
    ++cells[int(u * kCells)];
    sum += u;
  }
  // Five standard deviations of the mean (1/sqrt(12 n)) and of a cell's count.
  EXPECT_NEAR(sum / kDraws, 0.5, 5 * 0.289 / 400);
  for (const int count : cells) EXPECT_NEAR(count, kDraws / kCells, 5 * 97);
  const double d = rng.next_uniform_double();
  EXPECT_TRUE(d >= 0 && d < 1);
}

}  // namespace
}  // namespace ocelli::base
