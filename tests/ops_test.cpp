// Ops on the reference backend: what they compute. Their gradients are in gradient_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "backend/reference/reference_backend.h"
#include "base/f16.h"
#include "base/rng.h"
#include "ops/activation.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/cross_entropy.h"
#include "ops/dropout.h"
#include "ops/dropped_linear.h"
#include "ops/embedding.h"
#include "ops/linear.h"
#include "ops/norm.h"
#include "ops/patches.h"
#include "ops/rope.h"
#include "ops/rows.h"
#include "ops/scale_columns.h"
#include "ops/token_log_probs.h"
#include "ops/top_k_divergence.h"

namespace ocelli::ops {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

class Ops : public testing::Test {
 protected:
  Tensor tensor(std::initializer_list<int64_t> shape, const std::vector<float>& values) {
    const Tensor t = c.output(shape, {});
    std::copy(values.begin(), values.end(), t.f32());
    return t;
  }
  Tensor iota(std::initializer_list<int64_t> shape) {
    const Tensor t = c.output(shape, {});
    std::iota(t.f32(), t.f32() + t.count(), 0.0f);
    return t;
  }
  Tensor noise(std::initializer_list<int64_t> shape) {
    const Tensor t = c.output(shape, {});
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < t.count(); ++i) t.f32()[i] = normal(random);
    return t;
  }
  static std::vector<float> numbers(const Tensor& t) { return {t.f32(), t.f32() + t.count()}; }

  tensor::Arena arena = *tensor::Arena::create(int64_t{1} << 28);
  base::ThreadPool pool{1};
  reference::ReferenceBackend backend;
  Context c{backend, arena, pool};
  std::mt19937 random{1};
};

TEST_F(Ops, LinearWithEverything) {
  const Tensor x = tensor({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor w = tensor({2, 3}, {1, 0, -1, 2, 1, 0});
  const Weight weight{.rows = 2, .cols = 3, .data = reinterpret_cast<const std::byte*>(w.data)};
  EXPECT_THAT(numbers(linear(c, x, weight)), ElementsAre(-2, 4, -2, 13));
  const Tensor bias = tensor({2}, {10, 20}), residual = tensor({2, 2}, {1, 2, 3, 4});
  EXPECT_THAT(numbers(linear(c, x, weight, {bias, Activation::kNone, residual})),
              ElementsAre(9, 26, 11, 37));
  // The activation comes before the residual.
  const float silu = 24 / (1 + std::exp(-24.0f));
  EXPECT_FLOAT_EQ(linear(c, x, weight, {bias, Activation::kSilu, residual}).f32()[1], silu + 2);
}

TEST_F(Ops, LinearGroupIsLinearOfEach) {
  const Tensor x = noise({3, 32}), a = noise({5, 32}), b = noise({2, 32}), bias = noise({2});
  const Weight wa{.rows = 5, .cols = 32, .data = reinterpret_cast<const std::byte*>(a.data)};
  const Weight wb{.rows = 2, .cols = 32, .data = reinterpret_cast<const std::byte*>(b.data)};
  const std::array<const Weight*, 2> ws = {&wa, &wb};
  const std::array<Tensor, 2> biases = {Tensor{}, bias};
  std::array<Tensor, 2> ys;
  linear_group(c, x, ws, biases, ys);
  EXPECT_EQ(numbers(ys[0]), numbers(linear(c, x, wa)));
  EXPECT_EQ(numbers(ys[1]), numbers(linear(c, x, wb, {bias})));
  linear_group(c, x, ws, {}, ys);
  EXPECT_EQ(numbers(ys[1]), numbers(linear(c, x, wb)));
}

// A backend whose products take norms, and how many it was asked to take.
class NormTaker : public reference::ReferenceBackend {
 public:
  int norms = 0;
  bool takes_norm(const Weight&) const override { return true; }
  void linear(base::ThreadPool& some, std::span<const tensor::LinearJob> jobs) override {
    for (const tensor::LinearJob& job : jobs) {
      if (job.norm.weight) ++norms;
      tensor::LinearJob plain = job;
      plain.norm = {};
      ReferenceBackend::linear(some, {&plain, 1});
    }
  }
};

// A norm goes into the products only where nobody needs its result.
TEST_F(Ops, LinearGroupOfANorm) {
  const Tensor x = noise({3, 32}), w = noise({5, 32}), scale = noise({32}), bias = noise({5});
  const Weight weight{.rows = 5, .cols = 32, .data = reinterpret_cast<const std::byte*>(w.data)};
  const std::array<const Weight*, 2> ws = {&weight, &weight};
  std::array<Tensor, 2> biases = {Tensor{}, bias}, ys;
  const Norm n = {scale, {}, 1e-5f};
  linear_group(c, x, n, ws, biases, ys);  // this backend takes none
  EXPECT_EQ(numbers(ys[1]), numbers(linear(c, norm(c, x, n), weight, {bias})));

  NormTaker taker;
  tensor::Tape tape;
  Context taken{taker, arena, pool, &tape};
  linear_group(taken, x, n, ws, biases, ys);
  EXPECT_EQ(taker.norms, 2);
  EXPECT_FALSE(ys[1].grad);

  tensor::Grad grad{nullptr, bias.count()};
  biases[1].grad = &grad;
  linear_group(taken, x, n, ws, biases, ys);
  EXPECT_EQ(taker.norms, 2) << "a bias is trained";
  EXPECT_TRUE(ys[1].grad);
  biases[1].grad = nullptr;

  taken.exact = true;
  linear_group(taken, x, n, ws, biases, ys);
  taken.exact = false;
  const tensor::ProductObserver observer = [](const Weight&, const Tensor&) {};
  taken.observer = &observer;
  linear_group(taken, x, n, ws, biases, ys);
  EXPECT_EQ(taker.norms, 2);
}

// Codes of both sides are whole numbers here, so 8-bit and exact products agree but for the scales.
TEST_F(Ops, LinearInEightBits) {
  const Tensor x = noise({4, 100}), w = noise({6, 100});
  std::vector<std::byte> q8(size_t(6 * encoding::row_bytes(encoding::Encoding::kQ80, 100)));
  for (int64_t r = 0; r < 6; ++r) {
    encoding::encode_row(encoding::Encoding::kQ80, w.f32() + 100 * r, 100,
                         &q8[size_t(r) * q8.size() / 6]);
  }
  const Weight weight{encoding::Encoding::kQ80, encoding::Layout::kPlain, 6, 100, q8.data()};
  const std::vector<float> rough = numbers(linear(c, x, weight));
  c.exact = true;
  const std::vector<float> exact = numbers(linear(c, x, weight));
  EXPECT_NE(rough, exact);
  // Each activation is off by at most half a code: max|x| / 254 of its block, at random.
  for (size_t i = 0; i < rough.size(); ++i)
    EXPECT_NEAR(rough[i], exact[i], 6 * 3.5 / 254 / std::sqrt(3) * 10);
}

TEST_F(Ops, Embedding) {
  const Tensor w = iota({4, 2});
  const Weight weight{.rows = 4, .cols = 2, .data = reinterpret_cast<const std::byte*>(w.data)};
  const std::vector<int32_t> ids = {3, 0, 3};
  EXPECT_THAT(numbers(embedding(c, ids, weight)), ElementsAre(6, 7, 0, 1, 6, 7));
  const std::vector<int32_t> outside = {4};
  EXPECT_DEATH(embedding(c, outside, weight), "every id is a row");
}

TEST_F(Ops, Norms) {
  const Tensor x = tensor({2, 2}, {3, 4, -1, 1}), w = tensor({2}, {2, 1}),
               b = tensor({2}, {10, 20});
  const float r = 1 / std::sqrt(12.5f);
  EXPECT_THAT(numbers(rms_norm(c, x, w, 0)),
              ElementsAre(testing::FloatEq(6 * r), testing::FloatEq(4 * r), -2, 1));
  EXPECT_THAT(numbers(layer_norm(c, x, w, b, 0)), ElementsAre(8, 21, 8, 21));
  EXPECT_FLOAT_EQ(rms_norm(c, x, w, 11.5f).f32()[0], 6 / std::sqrt(24.0f));
  EXPECT_FLOAT_EQ(layer_norm(c, x, w, b, 3).f32()[3], 20 + 1 / 2.0f);
}

TEST_F(Ops, RopeTableIsComputedInFloat32) {
  const std::vector<int32_t> positions = {0, 8191};
  const std::vector<float> inv_freq = {1, 0.1f};
  const std::vector<float> table = numbers(rope_table(c, positions, inv_freq, 2));
  const float angle = 8191.0f * 0.1f;  // rounded to float32 before the cosine
  EXPECT_THAT(table, ElementsAre(2, 2, 0, 0, 2 * std::cos(8191.0f), 2 * std::cos(angle),
                                 2 * std::sin(8191.0f), 2 * std::sin(angle)));
}

TEST_F(Ops, RopeTurnsPairsHalfAHeadApart) {
  const Tensor x = tensor({1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Tensor table = tensor({1, 4}, {0, 1, 1, 0});  // a quarter turn for pair 0, none for pair 1
  EXPECT_THAT(numbers(rope(c, x, table)), ElementsAre(-3, 2, 1, 4, -7, 6, 5, 8));
}

// Against the definition with the whole matrix in memory.
std::vector<double> plain_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                    std::span<const tensor::KeyRange> ranges, double scale) {
  const int64_t heads = q.dim(1), kv_heads = k.dim(1), width = q.dim(2);
  std::vector<double> out(size_t(q.count()));
  for (int64_t t = 0; t < q.dim(0); ++t) {
    for (int64_t h = 0; h < heads; ++h) {
      double sum = 0;
      for (int64_t s = ranges[size_t(t)].begin; s < ranges[size_t(t)].end; ++s) {
        const int64_t at = (s * kv_heads + h * kv_heads / heads) * width;
        double score = 0;
        for (int64_t i = 0; i < width; ++i)
          score += double(q.f32()[(t * heads + h) * width + i]) * k.f32()[at + i];
        const double p = std::exp(scale * score);
        sum += p;
        for (int64_t i = 0; i < width; ++i)
          out[size_t((t * heads + h) * width + i)] += p * v.f32()[at + i];
      }
      for (int64_t i = 0; sum > 0 && i < width; ++i)
        out[size_t((t * heads + h) * width + i)] /= sum;
    }
  }
  return out;
}

TEST_F(Ops, AttentionOfGroupsAndRanges) {
  const Tensor q = noise({4, 9, 8}), k = noise({6, 3, 8}), v = noise({6, 3, 8});
  const std::vector<tensor::KeyRange> ranges = {{0, 1}, {0, 6}, {3, 3}, {2, 5}};
  const Tensor out = attention(c, q, k, v, ranges, 0.35f);
  const std::vector<double> want = plain_attention(q, k, v, ranges, 0.35f);
  for (int64_t i = 0; i < out.count(); ++i) EXPECT_NEAR(out.f32()[i], want[size_t(i)], 1e-6) << i;
  EXPECT_EQ(out.f32()[2 * 72 + 5], 0) << "a query that sees nothing";
}

TEST_F(Ops, AttentionWithLargeScoresStaysFinite) {
  const Tensor q = tensor({1, 1, 2}, {300, 0}), k = tensor({2, 1, 2}, {300, 0, 299, 0}),
               v = tensor({2, 1, 2}, {1, 2, 3, 4});
  const std::vector<tensor::KeyRange> ranges = {{0, 2}};
  EXPECT_THAT(numbers(attention(c, q, k, v, ranges, 1)), ElementsAre(1, 2));
}

TEST_F(Ops, AttentionOverAHalfPrecisionCache) {
  const Tensor q = noise({2, 4, 8}), k = noise({3, 2, 8}), v = noise({3, 2, 8});
  const Tensor k16 = Tensor::view(arena.take_bytes(2 * 5 * 16), {5, 2, 8}, tensor::DType::kF16);
  const Tensor v16 = Tensor::view(arena.take_bytes(2 * 5 * 16), {5, 2, 8}, tensor::DType::kF16);
  const std::vector<int32_t> rows = {0, 1, 2};
  const std::vector<tensor::KeyRange> ranges = {{0, 2}, {0, 3}};
  const Tensor half =
      attention(c, q, store_rows(c, k, rows, k16), store_rows(c, v, rows, v16), ranges, 0.4f);
  for (const Tensor* t : {&k, &v}) {
    for (int64_t i = 0; i < t->count(); ++i)
      t->f32()[i] = base::f16_to_float(base::float_to_f16(t->f32()[i]));
  }
  EXPECT_EQ(numbers(half), numbers(attention(c, q, k, v, ranges, 0.4f)));
}

TEST_F(Ops, Activations) {
  const Tensor x = tensor({1, 3}, {-1, 0, 2});
  const auto near = [](float v) { return testing::FloatNear(v, 2e-7f); };
  // torch.nn.functional.gelu(x, approximate="tanh") and silu(x)
  EXPECT_THAT(numbers(activation(c, Activation::kGeluTanh, x)),
              ElementsAre(near(-0.15880801f), 0, near(1.9545977f)));
  EXPECT_THAT(numbers(activation(c, Activation::kSilu, x)),
              ElementsAre(near(-0.26894142f), 0, near(1.7615942f)));
  EXPECT_THAT(numbers(silu_mul(c, x, tensor({1, 3}, {2, 2, -1}))),
              ElementsAre(near(-0.53788284f), 0, near(-1.7615942f)));
}

TEST_F(Ops, AddRepeatsRows) {
  const Tensor a = iota({4, 2});
  EXPECT_THAT(numbers(add(c, a, tensor({2, 2}, {10, 20, 30, 40}), 2)),
              ElementsAre(20, 41, 62, 83, 24, 45, 66, 87));
  EXPECT_THAT(numbers(add(c, a, tensor({2}, {1, 0}))), ElementsAre(1, 1, 3, 3, 5, 5, 7, 7));
  EXPECT_DEATH(add(c, a, iota({3, 2})), "whole number of times");
}

TEST_F(Ops, PlaceRowsWritesOverItsBase) {
  const Tensor base = iota({3, 2});
  const std::vector<int32_t> rows = {2, 0};
  const Tensor y = place_rows(c, base, tensor({2, 2}, {7, 8, 9, 10}), rows);
  EXPECT_EQ(y.data, base.data);
  EXPECT_THAT(numbers(y), ElementsAre(9, 10, 2, 3, 7, 8));
}

TEST_F(Ops, StoreRowsRounds) {
  const Tensor cache = Tensor::view(arena.take_bytes(2 * 6), {3, 2}, tensor::DType::kBF16);
  const std::vector<int32_t> rows = {1};
  store_rows(c, tensor({1, 2}, {1.00390625f, -3}), rows, cache);  // a tie, to even
  const auto* bits = static_cast<const uint16_t*>(cache.data);
  EXPECT_EQ(bits[2], base::float_to_bf16(1));
  EXPECT_EQ(bits[3], base::float_to_bf16(-3));
}

// transformers' SmolVLMConnector.pixel_shuffle, its reshapes and permutes one by one.
std::vector<float> reference_pixel_shuffle(const Tensor& x, int64_t b, int64_t h, int64_t w,
                                           int64_t s) {
  const int64_t channels = x.dim(1), ow = w / s, oh = h / s;
  std::vector<float> out;
  for (int64_t picture = 0; picture < b; ++picture) {
    for (int64_t Y = 0; Y < oh; ++Y) {
      for (int64_t X = 0; X < ow; ++X) {
        for (int64_t column = 0; column < channels * s * s; ++column) {
          // the last reshape: [ow, oh, C s s] came from [ow, h, C s]
          const int64_t y = Y * s + column / (channels * s), rest = column % (channels * s);
          // the first view: [h, ow, C s] came from [h, w, C]
          const int64_t at = X * s + rest / channels;
          out.push_back(x.f32()[((picture * h + y) * w + at) * channels + rest % channels]);
        }
      }
    }
  }
  return out;
}

TEST_F(Ops, PixelShuffle) {
  const Tensor x = iota({2 * 6 * 3, 2});
  const Tensor y = pixel_shuffle(c, x, 6, 3, 3);
  EXPECT_EQ(y.dim(0), 4);
  EXPECT_EQ(y.dim(1), 18);
  EXPECT_THAT(numbers(y), ElementsAreArray(reference_pixel_shuffle(x, 2, 6, 3, 3)));
  // One channel, 2 x 2 of 4 x 4: the first token is the top left square.
  EXPECT_THAT(numbers(pixel_shuffle(c, iota({16, 1}), 4, 4, 2).slice(0, 0, 2)),
              ElementsAre(0, 1, 4, 5, 2, 3, 6, 7));
}

TEST_F(Ops, PatchesLeaveTheRestOut) {
  const Tensor pixels = iota({2, 3, 5, 4});
  const Tensor y = patches(c, pixels, 2);
  EXPECT_EQ(y.dim(0), 2 * 2 * 2);
  EXPECT_EQ(y.dim(1), 12);
  // The third patch of the second picture: line 2, column 0.
  const std::vector<float> row = numbers(y.slice(0, 6, 1));
  std::vector<float> want;
  for (const int channel : {0, 1, 2}) {
    for (const int at : {8, 9, 12, 13}) want.push_back(float(60 + 20 * channel + at));
  }
  EXPECT_EQ(row, want);
}

TEST_F(Ops, CrossEntropy) {
  const Tensor logits = tensor({3, 2}, {0, 0, 1, 3, 1000, -1000});
  const std::vector<int32_t> targets = {1, -1, 0}, hard = {-1, 0, 1}, none = {-1, -1, -1};
  EXPECT_FLOAT_EQ(cross_entropy(c, logits, targets).f32()[0], std::log(2.0f) / 2);
  EXPECT_FLOAT_EQ(cross_entropy(c, logits, hard).f32()[0],
                  (2 + std::log1p(std::exp(-2.0f)) + 2000) / 2);
  EXPECT_EQ(cross_entropy(c, logits, none).f32()[0], 0);
}

TEST_F(Ops, TokenLogProbs) {
  const Tensor logits = tensor({3, 2}, {0, 0, 1, 3, 1000, -1000});
  const std::vector<int32_t> targets = {1, -1, 1};
  EXPECT_THAT(numbers(token_log_probs(c, logits, targets)),
              ElementsAre(testing::FloatEq(-std::log(2.0f)), 0, -2000));
}

// Against sums over the whole vocabulary, written another way.
TEST_F(Ops, TopKDivergence) {
  const Tensor logits = tensor({2, 3}, {1, 2, 4, 0, 0, 0});
  const std::vector<int32_t> ids = {2, 0, 1, -1};
  const std::vector<float> log_probs = {std::log(0.75f), std::log(0.125f), std::log(0.5f), 0};
  const double whole = std::exp(0.5) + std::exp(1.0) + std::exp(2.0);
  const double first = 0.75 * std::log(0.75 / (std::exp(2.0) / whole)) +
                       0.125 * std::log(0.125 / (std::exp(0.5) / whole));
  const double second = 0.5 * std::log(0.5 / (1 / 3.0));
  EXPECT_NEAR(top_k_divergence(c, {logits, ids, log_probs, 2, 10}).f32()[0], 10 * (first + second),
              1e-5);
  // A teacher that is the student is at no distance.
  const std::vector<int32_t> all = {0, 1, 2};
  std::vector<float> same;
  for (const float z : {0.0f, 0.5f, 1.5f}) {
    same.push_back(z - std::log(1 + std::exp(0.5f) + std::exp(1.5f)));
  }
  EXPECT_NEAR(top_k_divergence(c, {logits.slice(0, 0, 1), all, same, 2}).f32()[0], 0, 1e-6);
  // A probability of zero adds nothing.
  const std::vector<float> none = {-INFINITY, -INFINITY, 0};
  const float rest = std::log(1 + std::exp(-1.0f) + std::exp(-1.5f));
  EXPECT_NEAR(top_k_divergence(c, {logits.slice(0, 0, 1), all, none, 2}).f32()[0], rest, 1e-6);
}

TEST_F(Ops, ScaleColumns) {
  EXPECT_THAT(numbers(scale_columns(c, iota({2, 3}), tensor({3}, {2, 0, -1}))),
              ElementsAre(0, 0, -2, 6, 0, -5));
}

TEST_F(Ops, DropoutKeepsWhatTheGeneratorSays) {
  const Tensor x = noise({50, 33});
  EXPECT_EQ(dropout(c, x, 0.25f).data, x.data) << "nothing is dropped while running";
  tensor::Tape tape;
  c.tape = &tape;
  c.rng = {5, 6, 7, 8};
  EXPECT_EQ(dropout(c, x, 0).data, x.data);
  const std::vector<float> y = numbers(dropout(c, x, 0.25f));
  const base::Rng rng(5, 6, 7, 8);
  int kept = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    const bool keep = rng.uniform_at(i) >= 0.25f;
    EXPECT_EQ(y[i], keep ? x.f32()[i] * float(1 / 0.75) : 0.0f) << i;
    kept += keep;
  }
  // Five deviations of 1650 draws.
  EXPECT_NEAR(kept, 0.75 * 1650, 5 * std::sqrt(1650 * 0.25 * 0.75));
  // Half of the rows at another stride draw the same numbers; another op draws others.
  Tensor wide = noise({50, 40}).slice(1, 0, 33);
  for (int64_t t = 0; t < 50; ++t) std::copy_n(x.f32() + 33 * t, 33, wide.f32() + 40 * t);
  EXPECT_EQ(numbers(dropout(c, wide, 0.25f)), y);
  c.rng.op = 9;
  EXPECT_NE(numbers(dropout(c, x, 0.25f)), y);
  EXPECT_DEATH(dropout(c, x, 1), "a probability below 1");
}

TEST_F(Ops, DroppedLinearIsDropoutAndLinear) {
  tensor::Tape tape;
  c.tape = &tape;
  c.rng = {5, 1, 2, 3};
  const Tensor x = noise({4, 9}), m = noise({3, 9});
  const Weight w{.rows = 3, .cols = 9, .data = reinterpret_cast<const std::byte*>(m.data)};
  EXPECT_EQ(numbers(dropped_linear(c, x, 0.4f, w)), numbers(linear(c, dropout(c, x, 0.4f), w)));
  c.tape = nullptr;
  EXPECT_EQ(numbers(dropped_linear(c, x, 0.4f, w)), numbers(linear(c, x, w)));
}

// A broken promise between our own functions stops the program and names the promise.
TEST_F(Ops, ChecksNameThePromise) {
  const Tensor x = iota({2, 3});
  const Weight w{.rows = 2, .cols = 4};
  EXPECT_DEATH(linear(c, x, w), "x is as wide as the weight");
  const std::vector<tensor::KeyRange> ranges = {{0, 3}, {0, 2}};
  const Tensor q = iota({2, 1, 2});
  EXPECT_DEATH(attention(c, q, q, q, ranges, 1), "ranges lie inside the keys");
  const std::vector<int32_t> rows = {2};
  EXPECT_DEATH(gather_rows(c, x, rows), "every index is a row");
}

}  // namespace
}  // namespace ocelli::ops
