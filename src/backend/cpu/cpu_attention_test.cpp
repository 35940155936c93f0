// Attention and rotary positions against the reference, for every instruction set.
#include <algorithm>

#include "backend/cpu/cpu_test_kit.h"

namespace ocelli::cpu::test {
namespace {

using CpuAttentionTest = SetTest;
using tensor::AttentionJob;
using tensor::DType;
using tensor::KeyRange;

struct Case {
  int64_t tokens, keys, heads, kv_heads, width;
  enum Ranges { kAll, kCausal, kWindow, kSequences, kRagged } ranges;
};
constexpr Case kCases[] = {{1, 1, 1, 1, 4, Case::kAll},
                           {1, 300, 9, 3, 64, Case::kAll},
                           {37, 37, 9, 3, 64, Case::kCausal},
                           {1, 700, 15, 5, 64, Case::kAll},
                           {70, 70, 4, 4, 72, Case::kAll},
                           {130, 260, 6, 2, 16, Case::kCausal},
                           {50, 150, 15, 5, 64, Case::kCausal},
                           {33, 400, 2, 1, 128, Case::kWindow},
                           {90, 90, 3, 3, 24, Case::kSequences},
                           {64, 500, 4, 2, 80, Case::kRagged},
                           {5, 140, 32, 32, 64, Case::kRagged},
                           {3, 257, 2, 1, 256, Case::kCausal},
                           {20, 33, 70, 1, 8, Case::kCausal},
                           {7, 129, 1, 1, 100, Case::kRagged},
                           // More heads of one key head than scores are kept of at a time.
                           {4, 40, 96, 1, 16, Case::kCausal},
                           {9, 150, 254, 1, 16, Case::kCausal},
                           {470, 480, 2, 1, 16, Case::kCausal}};

std::vector<KeyRange> ranges_of(const Case& c, Random& random) {
  std::vector<KeyRange> ranges;
  for (int64_t t = 0; t < c.tokens; ++t) {
    const int64_t last = c.keys - c.tokens + t + 1;
    int64_t begin = 0, end = c.keys;
    switch (c.ranges) {
      case Case::kAll:
        break;
      case Case::kCausal:
        end = last;
        break;
      case Case::kWindow:
        begin = std::max<int64_t>(0, last - 100), end = last;
        break;
      case Case::kSequences:
        begin = t / 29 * 29, end = std::min(begin + 29, c.keys);
        break;
      case Case::kRagged:
        begin = random.below(c.keys);
        end = random.below(4) == 0 ? begin : begin + random.below(c.keys - begin) + 1;
        break;
    }
    ranges.push_back({int32_t(begin), int32_t(end)});
  }
  return ranges;
}

// Queries, keys and values with the strides of slices of wider rows.
struct Inputs {
  Matrix q, k, v;
  std::vector<std::byte> stored_k, stored_v;
  std::vector<KeyRange> ranges;
  AttentionJob job;

  Inputs(const Case& c, DType dtype, Random& random)
      : q(c.tokens, c.heads * c.width, 8, random),
        k(c.keys, c.kv_heads * c.width, 16, random),
        v(c.keys, c.kv_heads * c.width, 0, random),
        ranges(ranges_of(c, random)) {
    job.q = q.tensor().split_last(c.width);
    job.k = stored(k, dtype, stored_k).split_last(c.width);
    job.v = stored(v, dtype, stored_v).split_last(c.width);
    job.ranges = ranges;
    job.scale = 2.0f / std::sqrt(float(c.width));
  }
  static Tensor stored(Matrix& from, DType dtype, std::vector<std::byte>& to) {
    if (dtype == DType::kF32) return from.tensor();
    const int64_t row = tensor::bytes_of(dtype, from.width());
    to.resize(size_t(from.rows() * row));
    for (int64_t r = 0; r < from.rows(); ++r) {
      encoding::encode_row(tensor::encoding_of(dtype), &from.at(r, 0), from.width(),
                           &to[size_t(r * row)]);
    }
    return Tensor::view(to.data(), {from.rows(), from.width()}, dtype);
  }
};

struct Outputs {
  Matrix out, log_sum_exp;
  Outputs(const Case& c) : out(c.tokens, c.heads * c.width, 4), log_sum_exp(c.tokens, c.heads) {}
  void into(AttentionJob& job, int64_t width) {
    job.out = out.tensor().split_last(width);
    job.log_sum_exp = &log_sum_exp.at(0, 0);
  }
};

// A score is a chain of `width` products below 1, times the scale; its error moves e^score by as
// much, relatively. Sums of probabilities and of values run over blocks of at most 128 keys.
double attention_bound(const Case& c, double scale) {
  const double score = kRounding * scale * double(c.width) * (double(c.width) + 2);
  return 2 * score + kRounding * (2 * 128 + 2 * double(c.keys) / 128 + 32);
}

TEST_P(CpuAttentionTest, MatchesReference) {
  Random random;
  size_t index = 0;
  for (const Case& c : kCases) {
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kQ80}) {
      if (skips(index++ / 3) || (dtype == DType::kQ80 && c.width % 32 != 0)) continue;
      Inputs in(c, dtype, random);
      Outputs got(c), want(c);
      got.into(in.job, c.width);
      backend.attention(pool, in.job);
      want.into(in.job, c.width);
      reference.attention(pool, in.job);
      const double bound = attention_bound(c, double(in.job.scale));
      const std::string what =
          "case " + std::to_string(index) + " type " + std::to_string(int(dtype));
      expect_near(
          got.out, want.out, [&](int64_t, int64_t) { return bound; }, what);
      for (int64_t t = 0; t < c.tokens; ++t) {
        const bool empty = in.ranges[size_t(t)].end <= in.ranges[size_t(t)].begin;
        for (int64_t h = 0; h < c.heads; ++h) {
          const float sum = got.log_sum_exp.at(t, h);
          if (empty) {
            EXPECT_EQ(sum, -INFINITY) << what;
            EXPECT_EQ(got.out.at(t, h * c.width), 0.0f) << what;
          } else {
            EXPECT_NEAR(sum, want.log_sum_exp.at(t, h), bound + 4 * kRounding * std::fabs(sum))
                << what;
          }
        }
      }
      if (HasFatalFailure()) return;
    }
  }
}

// A query's result is the same, bit for bit, on any number of threads, and in any batch of more
// than kFewRows queries, or of at most as many.
TEST_P(CpuAttentionTest, QueriesDoNotDependOnTheBatch) {
  Random random(2);
  for (const Case& c :
       {Case{75, 400, 6, 2, 40, Case::kCausal}, {75, 400, 6, 2, 40, Case::kRagged}}) {
    Inputs in(c, DType::kF16, random);
    Outputs all(c);
    all.into(in.job, c.width);
    backend.attention(pool, in.job);
    for (const int threads : {1, 3}) {
      ThreadPool some(threads);
      Outputs again(c);
      again.into(in.job, c.width);
      backend.attention(some, in.job);
      EXPECT_TRUE(again.out.same_bits(all.out));
      EXPECT_TRUE(again.log_sum_exp.same_bits(all.log_sum_exp));
    }
    const auto some = [&](int64_t first, int64_t count) {
      AttentionJob job = in.job;
      Matrix out(count, c.heads * c.width);
      job.q = in.job.q.slice(0, first, count);
      job.out = out.tensor().split_last(c.width);
      job.ranges = in.job.ranges.subspan(size_t(first), size_t(count));
      job.log_sum_exp = nullptr;
      backend.attention(pool, job);
      return out;
    };
    for (const int64_t t : {0, 31, 69}) {
      const Matrix five = some(t, 5), two = some(t, 2), one = some(t + 1, 1);
      for (int64_t i = 0; i < five.width(); ++i) {
        ASSERT_EQ(five.at(1, i), all.out.at(t + 1, i)) << t;
        ASSERT_EQ(two.at(1, i), one.at(0, i)) << t;
      }
    }
  }
}

// Scores far apart: the running maximum is moved, and old sums vanish or dominate.
TEST_P(CpuAttentionTest, LargeScores) {
  Random random(3);
  const Case c{3, 600, 1, 1, 8, Case::kAll};
  Inputs in(c, DType::kF32, random);
  for (int64_t s = 0; s < c.keys; ++s) in.k.at(s, 0) = float(s % 301);
  for (int64_t t = 0; t < c.tokens; ++t) in.q.at(t, 0) = t == 0 ? 3.0f : t == 1 ? -3.0f : 1000.0f;
  Outputs got(c), want(c);
  got.into(in.job, c.width);
  backend.attention(pool, in.job);
  want.into(in.job, c.width);
  reference.attention(pool, in.job);
  // The rounding of a score of up to 1000 * 300 * scale, times the spread of the values.
  const double most = 300.0 * double(in.job.scale);
  expect_near(
      got.out, want.out,
      [&](int64_t t, int64_t) { return 8 * kRounding * most * (t == 2 ? 1000 : 3) + 1e-5; },
      "large");
}

TEST_P(CpuAttentionTest, Rope) {
  Random random(4);
  for (const int64_t width : {2, 6, 64, 72, 128}) {
    const int64_t tokens = 11, heads = 3;
    Matrix x(tokens, heads * width, 5, random), table(tokens, width);
    for (int64_t t = 0; t < tokens; ++t) {
      for (int64_t i = 0; i < width / 2; ++i) {
        const double angle = double(t) / std::pow(100.0, 2.0 * double(i) / double(width));
        table.at(t, i) = float(std::cos(angle));
        table.at(t, width / 2 + i) = float(std::sin(angle));
      }
    }
    for (const float sign : {1.0f, -1.0f}) {
      Matrix want(tokens, heads * width, 5), got = x;
      reference.rope(pool, x.tensor().split_last(width), table.tensor(), sign,
                     want.tensor().split_last(width));
      backend.rope(pool, got.tensor().split_last(width), table.tensor(), sign,
                   got.tensor().split_last(width));
      expect_near(
          got, want, [](int64_t, int64_t) { return 4 * kRounding; }, "rope");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, CpuAttentionTest, testing::ValuesIn(runnable_sets()), set_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CpuAttentionTest);

}  // namespace
}  // namespace ocelli::cpu::test
