#include "nn/sequence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "backend/reference/reference_backend.h"
#include "ops/add.h"

namespace ocelli::nn {
namespace {

using tensor::DType;
using tensor::Tensor;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::pair<int, int>> pairs(const Sequence& s) {
  std::vector<std::pair<int, int>> out;
  for (const auto& r : s.ranges) out.emplace_back(r.begin, r.end);
  return out;
}

TEST(Sequence, CausalWithoutACache) {
  const Sequence s = Sequence::causal(3, nullptr);
  EXPECT_EQ(s.tokens(), 3);
  EXPECT_THAT(s.positions, ElementsAre(0, 1, 2));
  EXPECT_THAT(pairs(s), ElementsAre(std::pair(0, 1), std::pair(0, 2), std::pair(0, 3)));
  EXPECT_THAT(s.cache_rows, IsEmpty());
  EXPECT_EQ(Sequence::causal(0, nullptr).tokens(), 0);
}

TEST(Sequence, CausalBehindACache) {
  KvCache cache = *KvCache::create({1, 1, 2}, 10, DType::kF32);
  cache.set_length(7);
  const Sequence s = Sequence::causal(2, &cache);
  EXPECT_EQ(s.cache, &cache);
  EXPECT_THAT(s.positions, ElementsAre(7, 8));
  EXPECT_THAT(s.cache_rows, ElementsAre(7, 8));
  EXPECT_THAT(pairs(s), ElementsAre(std::pair(0, 8), std::pair(0, 9)));
  EXPECT_EQ(cache.length(), 7);
}

TEST(Sequence, PackedSamplesDoNotSeeEachOther) {
  const Sequence s = Sequence::packed(std::vector<int64_t>{2, 0, 3});
  EXPECT_THAT(s.positions, ElementsAre(0, 1, 0, 1, 2));
  EXPECT_THAT(pairs(s), ElementsAre(std::pair(0, 1), std::pair(0, 2), std::pair(2, 3),
                                    std::pair(2, 4), std::pair(2, 5)));
  EXPECT_EQ(s.cache, nullptr);
  EXPECT_THAT(s.cache_rows, IsEmpty());
}
class RunBlock : public testing::Test {
 protected:
  RunBlock() {
    for (size_t i = 0; i < numbers_.size(); ++i) numbers_[i] = float(i % 31) / 8 - 1;
  }
  tensor::Context context(tensor::Tape* tape) { return {backend_, arena_, pool_, tape, {}, true}; }
  tensor::Arena arena_ = *tensor::Arena::create(int64_t{1} << 26);
  base::ThreadPool pool_{2};
  reference::ReferenceBackend backend_;
  tensor::Tape tape_;
  std::array<float, 8 * 16> numbers_;
  const Tensor x_ = Tensor::view(numbers_.data(), {8, 16});
};

TEST_F(RunBlock, ABlockGivesItsMemoryBack) {
  const Tensor& x = x_;
  const std::vector<float> before(x.f32(), x.f32() + x.count());
  const auto block = [&](tensor::Context& c, const Tensor& in) {
    Tensor y = in;
    for (int i = 0; i < 3; ++i) y = ops::add(c, y, in);
    return y;
  };
  tensor::Context c = context(nullptr);
  const int64_t mark = arena_.mark();
  arena_.reset_peak();
  Tensor y = run_block(c, x, block);
  EXPECT_EQ(arena_.mark(), mark);
  EXPECT_EQ(y.data, x.data);
  const int64_t one = arena_.peak() - mark;
  EXPECT_GE(one, 3 * 8 * 16 * 4);
  for (size_t i = 0; i < before.size(); ++i) ASSERT_EQ(y.f32()[i], 4 * before[i]);
  for (int i = 0; i < 5; ++i) y = run_block(c, y, block);
  EXPECT_EQ(arena_.peak() - mark, one);  // however many blocks
}

// With a tape everything stays: the backward pass needs it.
TEST_F(RunBlock, ABlockOfTrainingKeepsItsMemory) {
  const Tensor& x = x_;
  const float first = x.f32()[0];
  tensor::Context c = context(&tape_);
  const int64_t mark = arena_.mark();
  const Tensor y = run_block(
      c, x, [](tensor::Context& inner, const Tensor& in) { return ops::add(inner, in, in); });
  EXPECT_GT(arena_.mark(), mark);
  EXPECT_NE(y.data, x.data);
  EXPECT_EQ(x.f32()[0], first);
  EXPECT_EQ(y.f32()[0], 2 * first);
}

// Blocks of twenty additions. Returns the bytes of the arena in use after the forward pass, and dx
// in `grad`.
int64_t run_blocks(tensor::Context& c, Tensor x, std::vector<float>* grad, int blocks = 6) {
  const auto block = [](tensor::Context& inner, const Tensor& in) {
    Tensor y = in;
    for (int i = 0; i < 20; ++i) y = ops::add(inner, y, in, 0.125f);
    return y;
  };
  const int64_t mark = c.arena.mark();
  tensor::Grad g{nullptr, x.count()};
  if (grad) x.grad = &g;
  Tensor y = x;
  for (int i = 0; i < blocks; ++i) y = run_block(c, y, block);
  const int64_t used = c.arena.mark() - mark;
  EXPECT_EQ(bool(y.grad), bool(grad));
  if (!grad) return used;
  std::fill_n(tensor::grad_of(c, y), y.count(), 1.0f);
  tensor::run_backward(c);
  grad->assign(g.data, g.data + g.count);
  return used;
}

TEST_F(RunBlock, ARecomputedBlockKeepsItsInputAlone) {
  tensor::Context c = context(&tape_);
  std::vector<float> kept, recomputed;
  const int64_t all = run_blocks(c, x_, &kept);
  arena_.rewind(0);
  c.recompute = true;
  const int64_t one_each = run_blocks(c, x_, &recomputed);
  EXPECT_EQ(recomputed, kept);
  EXPECT_NEAR(kept[5], 3.5 * 3.5 * 3.5 * 3.5 * 3.5 * 3.5, 1e-2);
  EXPECT_LT(12 * one_each, all);
}

// Another block costs its result (and where its gradient is), no gradient of its own.
TEST_F(RunBlock, ManyRecomputedBlocksShareAGradient) {
  tensor::Context c = context(&tape_);
  c.recompute = true;
  const auto peak = [&](int blocks) {
    arena_.rewind(0);
    arena_.reset_peak();
    std::vector<float> grad;
    run_blocks(c, x_, &grad, blocks);
    EXPECT_NEAR(grad[7] / std::pow(3.5, blocks), 1, 1e-5);
    return arena_.peak();
  };
  const int64_t six = peak(6), sixteen = peak(16);
  EXPECT_LE(sixteen - six, 10 * (x_.count() * 4 + tensor::Arena::kAlign));
}

// A frozen tower: no gradient flows, so there is nothing to compute again.
TEST_F(RunBlock, AFrozenBlockKeepsNothing) {
  tensor::Context c = context(&tape_);
  c.recompute = true;
  run_blocks(c, x_, nullptr);
  EXPECT_TRUE(tape_.empty());
}

// What a tape remembers is a sequence of its own.
TEST_F(RunBlock, ATapeKeepsTheSequence) {
  const Sequence s = Sequence::packed(std::vector<int64_t>{2, 3});
  EXPECT_EQ(keep(context(nullptr), s).get(), &s);
  const auto kept = keep(context(&tape_), s);
  EXPECT_NE(kept.get(), &s);
  EXPECT_EQ(kept->positions, s.positions);
  EXPECT_EQ(pairs(*kept), pairs(s));
}

}  // namespace
}  // namespace ocelli::nn
