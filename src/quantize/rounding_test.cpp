#include "quantize/rounding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "backend/cpu/cpu_backend.h"
#include "encoding/recode.h"

namespace ocelli::quantize {
namespace {

using encoding::Encoding;

// Inputs that hang together, as activations do: few directions, some columns large.
std::vector<float> inputs(int64_t tokens, int64_t width, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const int64_t hidden = width / 3 + 1;
  std::vector<float> mix(static_cast<size_t>(hidden * width)), out;
  for (float& v : mix) v = normal(random);
  for (int64_t c = 0; c < width; c += 11) {
    for (int64_t h = 0; h < hidden; ++h) mix[static_cast<size_t>(h * width + c)] *= 8;
  }
  for (int64_t t = 0; t < tokens; ++t) {
    std::vector<float> state(static_cast<size_t>(hidden));
    for (float& v : state) v = normal(random);
    for (int64_t c = 0; c < width; ++c) {
      float sum = 0.1f * normal(random);
      for (int64_t h = 0; h < hidden; ++h)
        sum += state[static_cast<size_t>(h)] * mix[static_cast<size_t>(h * width + c)];
      out.push_back(sum);
    }
  }
  return out;
}

Moments moments(const std::vector<float>& x, int64_t width) {
  Moments m{width, std::vector<float>(static_cast<size_t>(width * width))};
  const auto w = static_cast<size_t>(width);
  for (size_t t = 0; t < x.size(); t += w) {
    for (size_t i = 0; i < w; ++i)
      for (size_t k = 0; k < w; ++k) m.sums[i * w + k] += x[t + i] * x[t + k];
  }
  return m;
}

class Rounding : public testing::Test {
 protected:
  std::unique_ptr<tensor::Backend> backend_ = cpu::make_cpu_backend().value();
  base::ThreadPool pool_{2};
};

TEST_F(Rounding, TheFactorGivesTheSumsBack) {
  for (const int64_t width : {1, 7, 64, 65, 200}) {
    const Moments m = moments(inputs(300, width, 1), width);
    const std::optional<Factor> f = factor(*backend_, pool_, m);
    ASSERT_TRUE(f);
    const auto w = static_cast<size_t>(width);
    double trace = 0;
    for (size_t i = 0; i < w; ++i) trace += m.sums[i * w + i];
    for (size_t j = 0; j < w; ++j) {
      if (j > 0) {  // the largest first
        const auto before = static_cast<size_t>(f->order[j - 1]),
                   now = static_cast<size_t>(f->order[j]);
        EXPECT_GE(m.sums[before * (w + 1)], m.sums[now * (w + 1)]);
      }
      for (size_t k = 0; k < w; ++k) {
        double sum = 0;
        for (size_t i = 0; i < w; ++i) sum += double(f->l[i * w + j]) * f->l[i * w + k];
        double wanted =
            m.sums[static_cast<size_t>(f->order[j]) * w + static_cast<size_t>(f->order[k])];
        if (j == k) wanted += 0.01 * trace / double(width);
        // Rounding of float32 in sums of `width` products of numbers up to the trace.
        EXPECT_NEAR(sum, wanted, 1e-6 * trace) << width << ": " << j << ", " << k;
        if (k > j) {
          EXPECT_EQ(f->l[j * w + k], 0);
        }
      }
    }
  }
}

// Squared change of products with `x`, which the rounding has not seen.
double loss(const std::vector<float>& weight, const std::vector<float>& stored,
            const std::vector<float>& x, int64_t width) {
  const auto w = static_cast<size_t>(width);
  double sum = 0;
  for (size_t t = 0; t < x.size(); t += w) {
    for (size_t r = 0; r < weight.size(); r += w) {
      double y = 0;
      for (size_t i = 0; i < w; ++i) y += double(weight[r + i] - stored[r + i]) * x[t + i];
      sum += y * y;
    }
  }
  return sum;
}

TEST_F(Rounding, ProductsChangeLessThanByRoundingToTheNearest) {
  constexpr int64_t kRows = 40;
  for (const Encoding e : {Encoding::kQ4, Encoding::kQ40, Encoding::kQ8, Encoding::kQ80}) {
    for (const int64_t width : {64, 192}) {
      std::mt19937 random(7);
      std::normal_distribution<float> normal(0, 0.05f);
      std::vector<float> weight(static_cast<size_t>(kRows * width));
      for (float& v : weight) v = normal(random);
      encoding::Weight w;
      w.rows = kRows;
      w.cols = width;
      w.data = reinterpret_cast<const std::byte*>(weight.data());
      const int64_t stride = encoding::row_bytes(e, width);
      std::vector<std::byte> rows(static_cast<size_t>(kRows * stride));
      std::vector<float> nearest(weight.size()), chosen(weight.size());
      const auto decode = [&](std::vector<float>& to) {
        for (int64_t r = 0; r < kRows; ++r)
          encoding::decode_row(e, &rows[static_cast<size_t>(r * stride)], 0, width,
                               &to[static_cast<size_t>(r * width)]);
      };
      for (int64_t r = 0; r < kRows; ++r)
        encoding::encode_row(e, &weight[static_cast<size_t>(r * width)], width,
                             &rows[static_cast<size_t>(r * stride)]);
      decode(nearest);
      const std::vector<float> all = inputs(600, width, 5);
      const auto half = all.begin() + long(all.size() / 2);
      const std::vector<float> seen(all.begin(), half), unseen(half, all.end());
      const std::optional<Factor> f = factor(*backend_, pool_, moments(seen, width));
      ASSERT_TRUE(f);
      round_rows(*backend_, pool_, *f, w, e, rows.data());
      decode(chosen);
      EXPECT_LT(loss(weight, chosen, unseen, width), 0.5 * loss(weight, nearest, unseen, width))
          << encoding::name(e) << ", " << width;
    }
  }
}

TEST_F(Rounding, TheSameCodesWithAnyNumberOfThreads) {
  constexpr int64_t kRows = 30, kWidth = 160;
  std::mt19937 random(9);
  std::normal_distribution<float> normal(0, 0.05f);
  std::vector<float> weight(kRows * kWidth);
  for (float& v : weight) v = normal(random);
  encoding::Weight w;
  w.rows = kRows;
  w.cols = kWidth;
  w.data = reinterpret_cast<const std::byte*>(weight.data());
  const int64_t stride = encoding::row_bytes(Encoding::kQ4, kWidth);
  std::vector<std::vector<std::byte>> results;
  for (const int threads : {1, 3}) {
    base::ThreadPool pool(threads);
    std::vector<std::byte> rows(static_cast<size_t>(kRows * stride));
    for (int64_t r = 0; r < kRows; ++r)
      encoding::encode_row(Encoding::kQ4, &weight[static_cast<size_t>(r * kWidth)], kWidth,
                           &rows[static_cast<size_t>(r * stride)]);
    const std::optional<Factor> f =
        factor(*backend_, pool, moments(inputs(300, kWidth, 2), kWidth));
    ASSERT_TRUE(f);
    round_rows(*backend_, pool, *f, w, Encoding::kQ4, rows.data());
    results.push_back(std::move(rows));
  }
  EXPECT_EQ(results[0], results[1]);
}

TEST_F(Rounding, InputsThatNobodySawAreRoundedToTheNearest) {
  constexpr int64_t kWidth = 64;
  std::mt19937 random(9);
  std::normal_distribution<float> normal(0, 0.05f);
  std::vector<float> weight(kWidth);
  for (float& v : weight) v = normal(random);
  encoding::Weight w;
  w.rows = 1;
  w.cols = kWidth;
  w.data = reinterpret_cast<const std::byte*>(weight.data());
  std::vector<std::byte> rows(static_cast<size_t>(encoding::row_bytes(Encoding::kQ8, kWidth)));
  encoding::encode_row(Encoding::kQ8, weight.data(), kWidth, rows.data());
  const std::vector<std::byte> nearest = rows;
  const std::optional<Factor> f =
      factor(*backend_, pool_, {kWidth, std::vector<float>(kWidth * kWidth)});
  ASSERT_TRUE(f);
  round_rows(*backend_, pool_, *f, w, Encoding::kQ8, rows.data());
  EXPECT_EQ(rows, nearest);
}

TEST_F(Rounding, SumsThatAreNotFiniteAreRefused) {
  Moments m = moments(inputs(50, 8, 3), 8);
  m.sums[9] = std::nanf("");
  EXPECT_FALSE(factor(*backend_, pool_, m));
}

}  // namespace
}  // namespace ocelli::quantize
