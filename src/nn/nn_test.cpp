// Layers and caches on the reference backend.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "backend/reference/reference_backend.h"
#include "nn/kv_cache.h"
#include "nn/linear.h"
#include "nn/sequence.h"
#include "ops/add.h"

namespace ocelli::nn {
namespace {

using encoding::Encoding;
using tensor::DType;
using testing::ElementsAre;
using testing::IsEmpty;

class Nn : public testing::Test {
 protected:
  Context run() { return {backend_, arena_, pool_, nullptr, {}, true}; }
  Context train() { return {backend_, arena_, pool_, &tape_, {}, true}; }

  // Multiples of 2^-6 in [-1, 1].
  std::vector<float> numbers(int64_t count) {
    std::vector<float> out(static_cast<size_t>(count));
    for (float& x : out) x = float(int(random_() % 129) - 64) / 64;
    return out;
  }
  Tensor tensor(std::initializer_list<int64_t> shape) {
    Tensor t = Tensor::view(nullptr, shape);
    t.data = kept_.emplace_back(std::make_unique<std::vector<float>>(numbers(t.count())))->data();
    return t;
  }
  Weight weight(int64_t rows, int64_t cols) {
    const Tensor t = tensor({rows, cols});
    return {Encoding::kF32, {}, rows, cols, static_cast<const std::byte*>(t.data)};
  }

  tensor::Arena arena_ = *tensor::Arena::create(int64_t{1} << 26);
  base::ThreadPool pool_{2};
  reference::ReferenceBackend backend_;
  tensor::Tape tape_;
  std::mt19937 random_{3};
  std::vector<std::unique_ptr<std::vector<float>>> kept_;
};

double at(const Weight& w, int64_t r, int64_t c) {
  return reinterpret_cast<const float*>(w.row(r))[c];
}

// x W^T of row t, column n, in float64.
double product(const Tensor& x, const Weight& w, int64_t t, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < w.cols; ++k) sum += x.f32()[t * w.cols + k] * at(w, n, k);
  return sum;
}

double dense(const Linear& l, const Tensor& x, int64_t t, int64_t n) {
  double y = product(x, l.w, t, n) + (l.bias ? l.bias.f32()[n] : 0);
  for (const Lora& lora : l.lora) {
    for (int64_t r = 0; r < lora.a.rows; ++r)
      y += double(lora.scale) * product(x, lora.a, t, r) * at(lora.b, n, r);
  }
  return y;
}

void expect_equal(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.count(), b.count());
  for (int64_t i = 0; i < a.count(); ++i) ASSERT_EQ(a.f32()[i], b.f32()[i]) << i;
}

TEST(KvCache, ShapesAndBytes) {
  const KvShape shape{3, 2, 8};
  for (const DType dtype : {DType::kF32, DType::kF16}) {
    const KvCache cache = *KvCache::create(shape, 100, dtype);
    EXPECT_EQ(cache.capacity(), 100);
    EXPECT_EQ(cache.length(), 0);
    EXPECT_EQ(KvCache::bytes_per_token(shape, dtype), 2 * 3 * 2 * 8 * tensor::size_of(dtype));
    for (int64_t layer = 0; layer < 3; ++layer) {
      for (const Tensor& t : {cache.keys(layer), cache.values(layer)}) {
        EXPECT_EQ(t.rank, 3);
        EXPECT_EQ(t.dtype, dtype);
        EXPECT_THAT(std::vector<int64_t>(t.shape.begin(), t.shape.begin() + 3),
                    ElementsAre(100, 2, 8));
        EXPECT_TRUE(t.contiguous());
      }
    }
  }
}

// Every table is memory of its own, to its last byte.
TEST(KvCache, TablesDoNotOverlap) {
  for (const DType dtype : {DType::kF32, DType::kF16}) {
    const KvCache cache = *KvCache::create({4, 1, 3}, 5, dtype);
    const auto bytes = size_t(5 * 3 * tensor::size_of(dtype));
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

TEST_F(Nn, AGroupIsItsMembers) {
  LinearGroup<3> group;
  const int64_t outs[] = {6, 2, 5};
  for (size_t i = 0; i < 3; ++i) {
    group.members[i].w = weight(outs[i], 7);
    if (i != 1) group.members[i].bias = tensor({outs[i]});
  }
  group.members[2].lora.push_back({weight(2, 7), weight(5, 2), 0.5f});
  Context c = run();
  for (const int64_t tokens : {1, 4, 19}) {
    const Tensor x = tensor({tokens, 7});
    const auto ys = group(c, x);
    for (size_t i = 0; i < 3; ++i) expect_equal(ys[i], group.members[i](c, x));
  }
}

// Sums of at most 7 + 1 + 2 * 3 * 7 products of multiples of 2^-6 up to 1: float32 rounds each by
// 2^-24 of at most 30.
constexpr double kTolerance = 60 * 30 * 0x1p-24;

TEST_F(Nn, AdaptersAddTheirProducts) {
  Linear l;
  l.w = weight(5, 7);
  l.bias = tensor({5});
  const Tensor x = tensor({4, 7}), residual = tensor({4, 5});
  Context c = run();
  for (int adapters = 0; adapters <= 2; ++adapters) {
    for (const bool with_residual : {false, true}) {
      for (const Activation f : {Activation::kNone, Activation::kSilu}) {
        const Tensor y = l(c, x, f, with_residual ? residual : Tensor());
        for (int64_t t = 0; t < 4; ++t) {
          for (int64_t n = 0; n < 5; ++n) {
            double wanted = dense(l, x, t, n);
            if (f == Activation::kSilu) wanted /= 1 + std::exp(-wanted);
            if (with_residual) wanted += residual.f32()[t * 5 + n];
            EXPECT_NEAR(y.f32()[t * 5 + n], wanted, kTolerance);
          }
        }
      }
    }
    l.lora.push_back({weight(adapters + 1, 7), weight(5, adapters + 1), 1.5f - float(adapters)});
  }
}

// The loss is the sum of all results weighted by 1, 2, 3, ...: linear in each factor alone, so that
// a difference of float64 formulas is the derivative itself.
TEST_F(Nn, TheGradientFlowsToTheFactors) {
  Linear l;
  l.w = weight(5, 7);
  l.lora.push_back({weight(2, 7), weight(5, 2), 0.75f});
  l.lora.push_back({weight(3, 7), weight(5, 3), -2});
  std::vector<std::vector<float>> grads;
  for (Lora& lora : l.lora) {
    for (Weight* w : {&lora.a, &lora.b}) grads.emplace_back(size_t(w->rows * w->cols), 0.f);
  }
  for (size_t i = 0; i < grads.size(); ++i)
    (i % 2 ? l.lora[i / 2].b : l.lora[i / 2].a).grad = grads[i].data();
  Tensor x = tensor({4, 7});
  std::vector<float> dx(28, 0.f);
  tensor::Grad grad{dx.data(), 28};
  x.grad = &grad;

  Context c = train();
  const Tensor y = l(c, x);
  float* dy = tensor::grad_of(c, y);
  for (int i = 0; i < 20; ++i) dy[i] = float(i + 1);
  tensor::run_backward(c);

  const auto loss = [&] {
    double sum = 0;
    for (int64_t i = 0; i < 20; ++i) sum += double(i + 1) * dense(l, x, i / 5, i % 5);
    return sum;
  };
  const auto check = [&](float* value, float got, const std::string& what) {
    const float before = *value;
    *value = before + 1;
    const double up = loss();
    *value = before - 1;
    const double wanted = (up - loss()) / 2;
    *value = before;
    // Sums over 20 results with weights up to 20, of numbers up to 7 * 3 * 2.
    EXPECT_NEAR(got, wanted, 210 * 42 * 0x1p-20) << what;
    return std::abs(wanted);
  };
  double all = 0;
  for (size_t g = 0; g < grads.size(); ++g) {
    const Weight& w = g % 2 ? l.lora[g / 2].b : l.lora[g / 2].a;
    auto* values = reinterpret_cast<float*>(const_cast<std::byte*>(w.data));
    for (size_t i = 0; i < grads[g].size(); ++i)
      all += check(values + i, grads[g][i], "factor " + std::to_string(g));
  }
  for (size_t i = 0; i < 28; ++i) all += check(x.f32() + i, dx[i], "input");
  EXPECT_GT(all, 100);  // the test would see a gradient that is missing
}

TEST_F(Nn, ABlockGivesItsMemoryBack) {
  const Tensor x = tensor({8, 16});
  const std::vector<float> before(x.f32(), x.f32() + x.count());
  const auto block = [&](Context& c, const Tensor& in) {
    Tensor y = in;
    for (int i = 0; i < 3; ++i) y = ops::add(c, y, in);
    return y;
  };
  Context c = run();
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
TEST_F(Nn, ABlockOfTrainingKeepsItsMemory) {
  const Tensor x = tensor({8, 16});
  const float first = x.f32()[0];
  Context c = train();
  const int64_t mark = arena_.mark();
  const Tensor y =
      run_block(c, x, [](Context& inner, const Tensor& in) { return ops::add(inner, in, in); });
  EXPECT_GT(arena_.mark(), mark);
  EXPECT_NE(y.data, x.data);
  EXPECT_EQ(x.f32()[0], first);
  EXPECT_EQ(y.f32()[0], 2 * first);
}

}  // namespace
}  // namespace ocelli::nn
