// Attention in 8 bits: the numbers of encoding/attention_codes.h bit for bit, on every instruction
// set that the CPU has, and how far they are from attention in float32.
#include <algorithm>
#include <limits>

#include "backend/cpu/cpu_test_kit.h"

namespace ocelli::cpu::test {
namespace {

using CpuAttentionCodedTest = SetTest;
using tensor::AttentionJob;
using tensor::AttentionNumbers;
using tensor::KeyRange;

struct Case {
  // `sequences` of `tokens` queries and `keys` keys each
  int64_t sequences, tokens, keys, heads, kv_heads, width;
};
constexpr Case kCases[] = {{1, 1, 1, 1, 1, 64},     {1, 60, 60, 2, 2, 64},  {1, 9, 1023, 2, 2, 64},
                           {2, 50, 129, 3, 3, 72},  {3, 33, 128, 4, 2, 80}, {1, 70, 300, 1, 1, 72},
                           {4, 5, 31, 6, 1, 8},     {1, 7, 257, 1, 1, 256}, {2, 13, 100, 2, 1, 24},
                           {1, 3, 1024, 1, 1, 100}, {5, 3, 64, 70, 1, 16},  {1, 130, 5, 1, 1, 6}};

struct Inputs {
  Case c;
  Matrix q, k, v;
  std::vector<KeyRange> ranges;
  AttentionJob job;

  Inputs(const Case& of, Random& random)
      : c(of),
        q(c.sequences * c.tokens, c.heads * c.width, 8, random),
        k(c.sequences * c.keys, c.kv_heads * c.width, 16, random),
        v(c.sequences * c.keys, c.kv_heads * c.width, 0, random) {
    for (int64_t t = 0; t < c.sequences * c.tokens; ++t) {
      const int64_t first = t / c.tokens * c.keys;
      ranges.push_back({int32_t(first), int32_t(first + c.keys)});
    }
    job.q = q.tensor().split_last(c.width);
    job.k = k.tensor().split_last(c.width);
    job.v = v.tensor().split_last(c.width);
    job.ranges = ranges;
    job.scale = 4.0f / std::sqrt(float(c.width));
  }
  Matrix run(tensor::Backend& on, ThreadPool& pool, AttentionNumbers numbers) {
    Matrix out(q.rows(), q.width(), 4);
    job.out = out.tensor().split_last(c.width);
    job.numbers = numbers;
    on.attention(pool, job);
    return out;
  }
};

// SIMDe rounds its fma twice: a weight's code may be another one, which is a 255th of the largest.
void expect_same(const RunnableSet& set, const Matrix& got, const Matrix& want,
                 const std::string& what) {
  EXPECT_TRUE(got.gaps_untouched()) << what;
  if (!set.emulated) {
    EXPECT_TRUE(got.same_bits(want)) << what << ": " << got.at(0, 0) << " for " << want.at(0, 0);
    return;
  }
  expect_near(
      got, want, [](int64_t, int64_t) { return 1.0 / 255; }, what);
}

TEST_P(CpuAttentionCodedTest, EqualsTheDefinition) {
  Random random;
  size_t index = 0;
  for (const Case& c : kCases) {
    Inputs in(c, random);
    if (skips(index++)) continue;
    const Matrix want = in.run(reference, pool, AttentionNumbers::k8Bit);
    for (const int threads : {1, 2, 3}) {
      ThreadPool some(threads);
      expect_same(GetParam(), in.run(backend, some, AttentionNumbers::k8Bit), want,
                  "case " + std::to_string(index) + ", threads " + std::to_string(threads));
    }
  }
}

// Keys of a cache, and ranges of all kinds in one call: none, shared, overlapping.
TEST_P(CpuAttentionCodedTest, AnyRangesAndTypes) {
  Random random(2);
  Inputs in({1, 40, 200, 4, 2, 64}, random);
  for (size_t t = 0; t < in.ranges.size(); ++t) {
    const auto i = int32_t(t);
    in.ranges[t] = i < 9    ? KeyRange{7, 7}
                   : i < 20 ? KeyRange{3, 150}
                   : i < 30 ? KeyRange{i, i + 1}
                            : KeyRange{0, i * 5};
  }
  expect_same(GetParam(), in.run(backend, pool, AttentionNumbers::k8Bit),
              in.run(reference, pool, AttentionNumbers::k8Bit), "ranges");
  const Matrix out = in.run(backend, pool, AttentionNumbers::k8Bit);
  for (int64_t i = 0; i < out.width(); ++i) EXPECT_EQ(out.at(0, i), 0.0f);
  for (const tensor::DType dtype : {tensor::DType::kF16, tensor::DType::kQ80}) {
    std::vector<std::byte> stored_k, stored_v;
    const auto store = [&](const Matrix& from, std::vector<std::byte>& to) {
      const int64_t bytes = tensor::bytes_of(dtype, from.width());
      to.resize(size_t(from.rows() * bytes));
      for (int64_t r = 0; r < from.rows(); ++r) {
        std::vector<float> row;
        for (int64_t i = 0; i < from.width(); ++i) row.push_back(from.at(r, i));
        encoding::encode_row(tensor::encoding_of(dtype), row.data(), from.width(),
                             &to[size_t(r * bytes)]);
      }
      return Tensor::view(to.data(), {from.rows(), from.width()}, dtype);
    };
    in.job.k = store(in.k, stored_k).split_last(64);
    in.job.v = store(in.v, stored_v).split_last(64);
    expect_same(GetParam(), in.run(backend, pool, AttentionNumbers::k8Bit),
                in.run(reference, pool, AttentionNumbers::k8Bit),
                "stored " + std::to_string(int(dtype)));
  }
}

// Large and tiny magnitudes, zeros, and what is no number.
TEST_P(CpuAttentionCodedTest, ExtremeNumbers) {
  if (GetParam().emulated) return;  // numbers of other sizes than expect_same() assumes
  const float inf = std::numeric_limits<float>::infinity();
  for (const float extreme : {0.0f, 1e-42f, 1e-38f, 1e-20f, 1e15f, 1e30f, inf, -inf, NAN}) {
    for (const int where : {0, 1, 2, 3}) {
      Random random(3);
      Inputs in({1, 12, 140, 2, 2, 16}, random);
      Matrix& m = where == 0 ? in.q : where == 1 ? in.k : in.v;
      for (int64_t r = 0; r < m.rows(); ++r) {
        for (int64_t i = 0; i < m.width(); ++i) {
          // all numbers of three of the four kinds of case, else one here and there
          if (where < 3 ? r % 2 == 0 : (r * 7 + i) % 60 == 0) m.at(r, i) = extreme;
        }
      }
      const Matrix got = in.run(backend, pool, AttentionNumbers::k8Bit),
                   want = in.run(reference, pool, AttentionNumbers::k8Bit);
      EXPECT_TRUE(got.same_bits(want)) << extreme << ' ' << where;
      for (int64_t i = 0; i < got.width(); ++i) EXPECT_TRUE(std::isfinite(got.at(0, i))) << extreme;
    }
  }
}

// --- how far from attention in float32 ---
// What the codes of one head's query may move, with w the exact weights (adding up to 1):
//   - a score by at most d = scale * (sum |q| ks / 2 + sum |k| qs / 2 + Dh qs ks / 4), rounding of
//     both codes; all weights then move by no more than e^2d - 1 in sum
//   - the code of a weight by 1/2 (and 1e-4 of it, for exp2) in 255 of its block's largest: those
//   of
//     all blocks in sum, twice, since they are made to add up to one
//   - a value by vs / 2
// A change of weights whose sum is 0 moves the result by half of its sum times the values' spread.
struct ErrorOf {
  Inputs& in;
  std::vector<float> centred;  // keys less their mean

  explicit ErrorOf(Inputs& of) : in(of), centred(size_t(in.k.rows() * in.k.width())) {
    for (int64_t i = 0; i < in.k.width(); ++i) {
      double sum = 0;
      for (int64_t s = 0; s < in.k.rows(); ++s) sum += double(in.k.at(s, i));
      for (int64_t s = 0; s < in.k.rows(); ++s) {
        centred[size_t(s * in.k.width() + i)] =
            float(double(in.k.at(s, i)) - sum / double(in.k.rows()));
      }
    }
  }

  // Of one head and one sequence: the bound of row t's results as a part of the values' spread.
  double weights_bound(int64_t t) const {
    const int64_t n = in.k.rows(), width = in.k.width();
    const auto key = [&](int64_t s, int64_t i) { return double(centred[size_t(s * width + i)]); };
    double q_sum = 0, q_most = 0, worst = 0, top = -1e300, total = 0;
    for (int64_t i = 0; i < width; ++i) {
      q_sum += std::fabs(double(in.q.at(t, i)));
      q_most = std::max(q_most, std::fabs(double(in.q.at(t, i))));
    }
    std::vector<double> scores;
    for (int64_t s = 0; s < n; ++s) {
      double k_sum = 0, k_most = 0, score = 0;
      for (int64_t i = 0; i < width; ++i) {
        score += double(in.q.at(t, i)) * key(s, i);
        k_sum += std::fabs(key(s, i));
        k_most = std::max(k_most, std::fabs(key(s, i)));
      }
      const double qs = q_most / 127, ks = k_most / 127;
      worst = std::max(worst, q_sum * ks / 2 + k_sum * qs / 2 + double(width) * qs * ks / 4);
      scores.push_back(double(in.job.scale) * score);
      top = std::max(top, scores.back());
    }
    for (const double score : scores) total += std::exp(score - top);
    double lost = 0;
    for (int64_t first = 0; first < n; first += 128) {
      const int64_t end = std::min<int64_t>(n, first + 128);
      double most = 0;
      for (int64_t s = first; s < end; ++s)
        most = std::max(most, std::exp(scores[size_t(s)] - top));
      lost += double(end - first) * most / total * (0.5 / 255 + 1e-4);
    }
    return 0.5 * (std::expm1(2 * double(in.job.scale) * worst) + 2 * lost) + 1e-5;
  }
};

struct Distance {
  double worst = 0, mean_square = 0;  // parts of the spread of the values
};

// Checks every number against the bound.
Distance distance(Inputs& in, const std::string& what) {
  ThreadPool pool(1);
  reference::ReferenceBackend on;
  const Matrix coded = in.run(on, pool, AttentionNumbers::k8Bit),
               exact = in.run(on, pool, AttentionNumbers::kF32);
  const ErrorOf error(in);
  Distance d;
  std::vector<double> spread, half;
  for (int64_t i = 0; i < in.v.width(); ++i) {
    float low = in.v.at(0, i), high = low;
    for (int64_t s = 0; s < in.v.rows(); ++s) {
      low = std::min(low, in.v.at(s, i));
      high = std::max(high, in.v.at(s, i));
    }
    spread.push_back(double(high) - double(low));
    half.push_back((double(high) - double(low)) / 2 / 127 / 2 + 1e-6);
  }
  for (int64_t t = 0; t < exact.rows(); ++t) {
    const double bound = error.weights_bound(t);
    for (int64_t i = 0; i < exact.width(); ++i) {
      const double off = std::fabs(double(coded.at(t, i)) - double(exact.at(t, i)));
      EXPECT_LE(off, bound * spread[size_t(i)] + half[size_t(i)]) << what << ' ' << t << ' ' << i;
      const double part = off / std::max(spread[size_t(i)], 1e-9);
      d.worst = std::max(d.worst, part);
      d.mean_square += part * part / double(exact.rows() * exact.width());
    }
  }
  return d;
}

// Beside the bound, which counts every rounding as if all went one way, what is seen: less than
// `usual` of the spread of the values in the root of the mean square.
TEST(AttentionInCodes, NearAttentionInFloat32) {
  const auto check = [](const char* what, const Case& c, double usual, auto change) {
    Random random(11);
    Inputs in(c, random);
    in.job.scale = 1.0f / std::sqrt(float(c.width));
    change(in);
    const Distance d = distance(in, what);
    EXPECT_LT(std::sqrt(d.mean_square), usual) << what << ", worst " << d.worst;
  };
  const auto each_key = [](Inputs& in, auto change) {
    for (int64_t s = 0; s < in.k.rows(); ++s) change(s);
  };
  check("plain", {1, 20, 1023, 1, 1, 64}, 8e-5, [](Inputs&) {});
  check("one key", {1, 20, 1, 1, 1, 64}, 1e-6, [](Inputs&) {});
  check("wide", {1, 20, 300, 1, 1, 80}, 1.3e-4, [](Inputs&) {});
  // A channel that all keys share is taken off with the mean.
  check("shared channel", {1, 20, 500, 1, 1, 64}, 1.1e-4,
        [&](Inputs& in) { each_key(in, [&](int64_t s) { in.k.at(s, 5) += 50.0f; }); });
  // One of many times the others' size makes their codes coarse.
  check("wild channel", {1, 20, 500, 1, 1, 64}, 5e-4,
        [&](Inputs& in) { each_key(in, [&](int64_t s) { in.k.at(s, 5) *= 20.0f; }); });
  check("sharp", {1, 20, 1023, 1, 1, 64}, 6e-3, [](Inputs& in) { in.job.scale = 4; });
  // A key that takes half of the weight, and a thousand that share the rest: those in its block are
  // too light for a code each, all others are not.
  check("heavy tail", {1, 20, 1023, 1, 1, 64}, 1.4e-2, [&](Inputs& in) {
    each_key(in, [&](int64_t s) {
      for (int64_t i = 0; i < 64; ++i) in.k.at(s, i) *= 0.1f;
    });
    for (int64_t t = 0; t < 20; ++t) in.q.at(t, 0) = 8;
    in.k.at(700, 0) = 7.2f;  // e^(8 * 7.2 / 8) is about 1,300
  });
}

INSTANTIATE_TEST_SUITE_P(Sets, CpuAttentionCodedTest, testing::ValuesIn(runnable_sets()), set_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CpuAttentionCodedTest);

}  // namespace
}  // namespace ocelli::cpu::test
