// Attention in bfloat16 (AttentionNumbers::kBF16): how far from the reference, and on what a
// query's result depends. Sets without kernels for it compute in float32.
#include <algorithm>
#include <limits>

#include "backend/cpu/cpu_test_kit.h"

namespace ocelli::cpu::test {
namespace {

using CpuAttentionBF16Test = SetTest;
using tensor::AttentionJob;
using tensor::AttentionNumbers;
using tensor::KeyRange;

struct Case {
  int64_t tokens, keys, heads, kv_heads, width;
  enum Ranges { kCausal, kWindow, kSequences, kRagged } ranges;
};
constexpr Case kCases[] = {
    {64, 64, 1, 1, 64, Case::kCausal},    {200, 200, 9, 3, 64, Case::kCausal},
    {70, 400, 2, 2, 72, Case::kCausal},   {150, 300, 3, 1, 16, Case::kWindow},
    {90, 90, 3, 3, 24, Case::kSequences}, {80, 500, 4, 2, 80, Case::kRagged},
    {65, 300, 97, 1, 8, Case::kCausal},   {64, 257, 2, 1, 256, Case::kRagged},
    {100, 129, 1, 1, 7, Case::kCausal},   {66, 66, 4, 4, 100, Case::kSequences}};

std::vector<KeyRange> ranges_of(const Case& c, Random& random) {
  std::vector<KeyRange> ranges;
  for (int64_t t = 0; t < c.tokens; ++t) {
    const auto end = int32_t(c.keys - c.tokens + t + 1);
    const auto sequence = int32_t(t / 30 * 30);
    switch (c.ranges) {
      case Case::kCausal:
        ranges.push_back({0, end});
        break;
      case Case::kWindow:
        ranges.push_back({std::max(0, end - 100), end});
        break;
      case Case::kSequences:
        ranges.push_back({sequence, int32_t(t) + 1});
        break;
      case Case::kRagged: {
        const auto begin = int32_t(random.below(c.keys));
        ranges.push_back({begin, begin + int32_t(random.below(c.keys - begin + 1))});
        break;
      }
    }
  }
  return ranges;
}

struct Inputs {
  Matrix q, k, v;
  std::vector<KeyRange> ranges;
  AttentionJob job;

  Inputs(const Case& c, Random& random)
      : q(c.tokens, c.heads * c.width, 8, random),
        k(c.keys, c.kv_heads * c.width, 16, random),
        v(c.keys, c.kv_heads * c.width, 0, random),
        ranges(ranges_of(c, random)) {
    job.ranges = ranges;
    job.scale = 4.0f / std::sqrt(float(c.width));
    set(c.width);
  }
  void set(int64_t width) {
    job.q = q.tensor().split_last(width);
    job.k = k.tensor().split_last(width);
    job.v = v.tensor().split_last(width);
  }
  // What the kernels round, rounded.
  void round() {
    const float scale = job.scale * encoding::attention_codes::kLog2E;
    const auto each = [](Matrix& m, auto change) {
      for (int64_t r = 0; r < m.rows(); ++r) {
        for (int64_t i = 0; i < m.width(); ++i) m.at(r, i) = change(m.at(r, i));
      }
    };
    each(q, [=](float x) { return bf16(x * scale) / scale; });
    each(k, bf16);
    each(v, bf16);
  }
  Matrix run(tensor::Backend& on, ThreadPool& pool, AttentionNumbers numbers) {
    Matrix out(q.rows(), q.width(), 4);
    job.out = out.tensor().split_last(q.width() / job.q.dim(1));
    job.numbers = numbers;
    on.attention(pool, job);
    return out;
  }
};

// Beside rounded inputs what is left is a weight's rounding (half a unit of 8 bits), its polynomial
// (1e-4, once in the weight and once in their sum) and sums in float32. Values are below 1.
constexpr double kWeightError = 1.0 / 512 + 2e-4 + 1e-5;

TEST_P(CpuAttentionBF16Test, IsNearTheReference) {
  const bool in_bf16 = GetParam().kernels->attention_bf16.attend != nullptr;
  Random random;
  size_t index = 0;
  for (const Case& c : kCases) {
    Inputs in(c, random);
    if (skips(index++)) continue;
    const std::string what = "case " + std::to_string(index);
    const Matrix got = in.run(backend, pool, AttentionNumbers::kBF16);
    const Matrix plain = in.run(backend, pool, AttentionNumbers::kF32);
    EXPECT_EQ(got.same_bits(plain), !in_bf16) << what;
    if (!in_bf16) continue;
    for (const int threads : {1, 3}) {
      ThreadPool some(threads);
      EXPECT_TRUE(got.same_bits(in.run(backend, some, AttentionNumbers::kBF16))) << what;
    }
    in.round();
    const Matrix want = in.run(reference, pool, AttentionNumbers::kF32);
    expect_near(
        got, want, [](int64_t, int64_t) { return kWeightError; }, what);
    for (size_t t = 0; t < in.ranges.size(); ++t) {
      if (in.ranges[t].begin < in.ranges[t].end) continue;
      for (int64_t i = 0; i < got.width(); ++i) EXPECT_EQ(got.at(int64_t(t), i), 0.0f) << what;
    }
  }
}

// Keys of a cache are read as they are stored.
TEST_P(CpuAttentionBF16Test, StoredKeys) {
  Random random(2);
  Inputs in({70, 200, 4, 2, 64, Case::kCausal}, random);
  for (const tensor::DType dtype : {tensor::DType::kF16, tensor::DType::kQ80}) {
    std::vector<std::byte> stored_k, stored_v;
    const auto store = [&](Matrix& from, std::vector<std::byte>& to) {
      const int64_t bytes = tensor::bytes_of(dtype, from.width());
      to.resize(size_t(from.rows() * bytes));
      for (int64_t r = 0; r < from.rows(); ++r) {
        std::byte* const row = &to[size_t(r * bytes)];
        encoding::encode_row(tensor::encoding_of(dtype), &from.at(r, 0), from.width(), row);
        encoding::decode_row(tensor::encoding_of(dtype), row, 0, from.width(), &from.at(r, 0));
      }
      return Tensor::view(to.data(), {from.rows(), from.width()}, dtype).split_last(64);
    };
    const Tensor k = store(in.k, stored_k), v = store(in.v, stored_v);
    const Matrix want = in.run(backend, pool, AttentionNumbers::kBF16);
    in.job.k = k;
    in.job.v = v;
    EXPECT_TRUE(in.run(backend, pool, AttentionNumbers::kBF16).same_bits(want));
    in.set(64);
  }
}

// A query's result depends neither on the other queries of the call nor on keys behind its own, so
// that a prompt may be computed in parts.
TEST_P(CpuAttentionBF16Test, PartsOfAPromptAreTheSame) {
  Random random(3);
  Inputs in({300, 300, 6, 2, 40, Case::kCausal}, random);
  const Matrix all = in.run(backend, pool, AttentionNumbers::kBF16);
  for (const auto& [first, count] : {std::pair<int64_t, int64_t>{0, 139}, {139, 64}, {203, 97}}) {
    AttentionJob part = in.job;
    Matrix out(count, in.q.width(), 4);
    part.q = part.q.slice(0, first, count);
    part.k = part.k.slice(0, 0, first + count);
    part.v = part.v.slice(0, 0, first + count);
    part.ranges = std::span(in.ranges).subspan(size_t(first), size_t(count));
    part.out = out.tensor().split_last(40);
    backend.attention(pool, part);
    for (int64_t t = 0; t < count; ++t) {
      for (int64_t i = 0; i < out.width(); ++i) {
        ASSERT_EQ(out.at(t, i), all.at(first + t, i)) << first << ' ' << t << ' ' << i;
      }
    }
  }
}

// Few queries, and keys that would take much memory, are computed in float32.
TEST_P(CpuAttentionBF16Test, OrInFloat32) {
  Random random(4);
  std::vector<Case> cases = {{63, 130, 2, 1, 32, Case::kCausal}};
  if (!GetParam().emulated) cases.push_back({64, 8200, 1, 1, 256, Case::kCausal});
  for (const Case& c : cases) {
    Inputs in(c, random);
    EXPECT_TRUE(in.run(backend, pool, AttentionNumbers::kBF16)
                    .same_bits(in.run(backend, pool, AttentionNumbers::kF32)));
  }
}

// Scores of any size, and what is no number stays none for the queries that see it.
TEST_P(CpuAttentionBF16Test, ExtremeNumbers) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Random random(5);
  Inputs in({70, 140, 2, 1, 16, Case::kCausal}, random);
  for (int64_t s = 0; s < 140; ++s) in.k.at(s, 0) = float(s % 101);
  for (int64_t t = 0; t < 70; ++t) in.q.at(t, 0) = t % 3 == 0 ? 1000.0f : t % 3 == 1 ? -1000.0f : 0;
  const Matrix large = in.run(backend, pool, AttentionNumbers::kBF16);
  for (int64_t t = 0; t < 70; ++t) {
    for (int64_t i = 0; i < large.width(); ++i) {
      ASSERT_LE(std::fabs(large.at(t, i)), 1.01) << t;
      // In head 0 key 100 has the largest score by far.
      if (t % 3 == 0 && t >= 31 && i < 16) {
        ASSERT_NEAR(large.at(t, i), in.v.at(100, i), 0.01) << t;
      }
    }
  }
  for (const int what : {0, 1, 2}) {
    Inputs bad({70, 140, 2, 1, 16, Case::kCausal}, random);
    (what == 0 ? bad.q.at(40, 3) : what == 1 ? bad.k.at(110, 3) : bad.v.at(110, 3)) = nan;
    const Matrix got = bad.run(backend, pool, AttentionNumbers::kBF16);
    // Query t sees keys up to 70 + t. (A value that is none spreads to its neighbours: 0 times it.)
    for (int64_t t = 0; t < 70; ++t) {
      if (what == 0 ? t == 40 : t >= 40) {
        EXPECT_TRUE(std::isnan(got.at(t, 3))) << what << ' ' << t;
      } else if (what != 2) {
        EXPECT_TRUE(std::isfinite(got.at(t, 3))) << what << ' ' << t;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, CpuAttentionBF16Test, testing::ValuesIn(runnable_sets()), set_name);

}  // namespace
}  // namespace ocelli::cpu::test
