#include "tensor/arena.h"

#include <gtest/gtest.h>

#include <cstring>

namespace ocelli::tensor {
namespace {

TEST(Arena, TakesAlignedMemory) {
  Arena arena = *Arena::create(1 << 20);
  for (const int64_t bytes : {1, 63, 64, 65, 0, 4096}) {
    void* p = arena.take_bytes(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % Arena::kAlign, 0u);
    std::memset(p, 1, size_t(bytes));
  }
  EXPECT_EQ(arena.peak(), 64 + 64 + 64 + 128 + 0 + 4096);
}

TEST(Arena, RewindGivesTheSameMemoryAgain) {
  Arena arena = *Arena::create(1 << 20);
  arena.take<float>(5);
  const int64_t mark = arena.mark();
  float* first = arena.take<float>(100);
  first[99] = 1;
  arena.rewind(mark);
  EXPECT_EQ(arena.take<float>(10), first);
  EXPECT_EQ(arena.peak(), mark + 448);
  arena.reset_peak();
  EXPECT_EQ(arena.peak(), mark + 64);
}

TEST(Arena, ScratchRewinds) {
  Arena arena = *Arena::create(1 << 20);
  const int64_t before = arena.mark();
  {
    const Scratch scratch(arena);
    arena.take<float>(100);
    EXPECT_GT(arena.mark(), before);
  }
  EXPECT_EQ(arena.mark(), before);
}

TEST(Arena, ReservesMoreThanThereIsMemory) {
  auto arena = Arena::create(Arena::kDefaultReserve);
  ASSERT_TRUE(arena.ok());
  arena->take<float>(1)[0] = 1;
}

TEST(Arena, CountsMoreThanItReserves) {
  Arena arena = *Arena::create(1 << 20);
  arena.count_only();
  for (int i = 0; i < 3; ++i) {
    const Scratch scratch(arena);
    arena.take<float>(int64_t{1} << 40);
    int32_t* table = arena.take<int32_t>(1000);  // is written, and so has a place
    std::fill_n(table, 1000, 7);
    const float* a = arena.take<float>(int64_t{1} << 40);
    EXPECT_LT(table, arena.take<int32_t>(1));
    EXPECT_NE(a, arena.take<float>(1));
    EXPECT_EQ(table[999], 7);
  }
  EXPECT_EQ(arena.mark(), 0);
  EXPECT_EQ(arena.peak(), (int64_t{8} << 40) + 4032 + 64 + 64);
}

TEST(Arena, MovesAndTrims) {
  Arena arena = *Arena::create(1 << 20);
  auto* p = arena.take<char>(8192);
  p[0] = 'x';
  Arena other = std::move(arena);
  EXPECT_EQ(p[0], 'x');
  const int64_t mark = other.mark();
  other.take<char>(1 << 16)[1000] = 'y';
  other.rewind(mark);
  other.trim();
  EXPECT_EQ(p[0], 'x') << "memory in use stays";
}

TEST(Arena, BrokenPromisesStopTheProgram) {
  Arena arena = *Arena::create(1 << 12);
  EXPECT_DEATH(arena.take_bytes(1 << 13), "planned too small");
  EXPECT_DEATH(arena.take_bytes(-1), "planned too small");
  EXPECT_DEATH(arena.rewind(64), "goes back");
}

}  // namespace
}  // namespace ocelli::tensor
