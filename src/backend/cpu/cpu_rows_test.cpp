// Operations row by row against the reference, for every instruction set.
#include "backend/cpu/cpu_test_kit.h"
#include "base/f16.h"

namespace ocelli::cpu::test {
namespace {

using CpuRowsTest = SetTest;
using tensor::DType;

constexpr int64_t kWidths[] = {1, 3, 4, 15, 16, 17, 64, 100, 576, 1153};

TEST_P(CpuRowsTest, Norms) {
  Random random;
  for (const int64_t width : kWidths) {
    Matrix x(7, width, 3, random), got(7, width, 2), want(7, width, 2);
    for (int64_t i = 0; i < width; ++i) x.at(2, i) = 0;
    for (int64_t i = 0; i < width; ++i) x.at(3, i) += 100;
    const std::vector<float> w = random.numbers(width), b = random.numbers(width);
    backend.rms_norm(pool, x.tensor(), w.data(), 1e-5f, got.tensor());
    reference.rms_norm(pool, x.tensor(), w.data(), 1e-5f, want.tensor());
    // A relative error of half the chain of squares, and of the last steps.
    const double chain = kRounding * (double(width) / 2 + 8);
    expect_near(
        got, want, [&](int64_t r, int64_t i) { return chain * std::fabs(want.at(r, i)); }, "rms");
    backend.layer_norm(pool, x.tensor(), w.data(), b.data(), 1e-6f, got.tensor());
    reference.layer_norm(pool, x.tensor(), w.data(), b.data(), 1e-6f, want.tensor());
    // Row 3 has a mean of 100 deviations: the mean's rounding is seen in the result.
    const double slope = std::sqrt(double(width)) + 4;
    expect_near(
        got, want, [&](int64_t r, int64_t) { return (r == 3 ? 400 : 4) * slope * chain; }, "layer");
  }
}

TEST_P(CpuRowsTest, NormsOfOneRowInManyThreads) {
  Random random(2);
  Matrix x(300, 577, 0, random);
  const std::vector<float> w = random.numbers(577);
  std::vector<Matrix> results;
  for (const int threads : {1, 2, 3}) {
    ThreadPool some(threads);
    results.emplace_back(300, 577);
    backend.rms_norm(some, x.tensor(), w.data(), 1e-5f, results.back().tensor());
    EXPECT_TRUE(results.back().same_bits(results[0]));
  }
}

// Errors relative to the spread of the result, over everything that these models produce.
TEST_P(CpuRowsTest, ActivationsAreExactEnough) {
  const int64_t count = GetParam().emulated ? 4001 : 400001;
  Matrix x(1, count), got(1, count), want(1, count);
  for (int64_t i = 0; i < count; ++i) x.at(0, i) = float(i - count / 2) * (40.0f / float(count));
  for (const Activation f : {Activation::kGeluTanh, Activation::kSilu}) {
    backend.activation(pool, f, x.tensor(), got.tensor());
    reference.activation(pool, f, x.tensor(), want.tensor());
    expect_near(
        got, want,
        [&](int64_t, int64_t i) { return 2e-7 * std::max(1.0, std::fabs(double(want.at(0, i)))); },
        "activation");
  }
}

TEST_P(CpuRowsTest, ActivationsOfExtremes) {
  const float extremes[] = {0.0f,   -0.0f,   1e30f,    -1e30f, 88.0f,  -88.0f,  89.0f, -89.0f,
                            104.0f, -104.0f, INFINITY, NAN,    1e-40f, -1e-40f, 3e38f};
  Matrix x(1, std::size(extremes)), got = x, want = x;
  for (size_t i = 0; i < std::size(extremes); ++i) x.at(0, int64_t(i)) = extremes[i];
  for (const Activation f : {Activation::kGeluTanh, Activation::kSilu}) {
    backend.activation(pool, f, x.tensor(), got.tensor());
    reference.activation(pool, f, x.tensor(), want.tensor());
    for (int64_t i = 0; i < x.width(); ++i) {
      const float w = want.at(0, i), g = got.at(0, i);
      if (std::isnan(w) || std::isinf(w)) {
        EXPECT_EQ(std::isnan(w), std::isnan(g)) << x.at(0, i);
        EXPECT_EQ(std::isinf(w), std::isinf(g)) << x.at(0, i);
      } else {
        EXPECT_NEAR(g, w, 1e-7 + 2e-7 * std::fabs(w)) << x.at(0, i);
      }
    }
  }
}

TEST_P(CpuRowsTest, Elementwise) {
  Random random(3);
  for (const int64_t width : kWidths) {
    Matrix a(12, width, 1, random), b(12, width, 2, random), few(4, width, 3, random);
    Matrix got(12, width, 5), want(12, width, 5);
    backend.silu_mul(pool, a.tensor(), b.tensor(), got.tensor());
    reference.silu_mul(pool, a.tensor(), b.tensor(), want.tensor());
    expect_near(
        got, want, [](int64_t, int64_t) { return 4 * kRounding; }, "silu_mul");
    for (Matrix* other : {&b, &few}) {
      reference.add(pool, a.tensor(), other->tensor(), 0.5f, want.tensor());
      Matrix in_place = a;
      backend.add(pool, in_place.tensor(), other->tensor(), 0.5f, in_place.tensor());
      expect_near(
          in_place, Matrix(want), [](int64_t, int64_t) { return 2 * kRounding; }, "add");
    }
  }
}

// Conversions agree bit for bit: every f16 and bf16 number, and many float32.
TEST_P(CpuRowsTest, ConversionsAreExact) {
  const Kernels& kernels = *GetParam().kernels;
  std::vector<uint16_t> halves(65536);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = uint16_t(i);
  std::vector<float> got(65536), want(65536);
  for (const Encoding encoding : {Encoding::kF16, Encoding::kBF16}) {
    const auto* row = reinterpret_cast<const std::byte*>(halves.data());
    kernels.decode(encoding, row, 65536, got.data());
    encoding::decode_row(encoding, row, 0, 65536, want.data());
    for (size_t i = 0; i < got.size(); ++i) {
      if (std::isnan(want[i])) {
        ASSERT_TRUE(std::isnan(got[i])) << i;
      } else {
        ASSERT_EQ(std::memcmp(&got[i], &want[i], 4), 0) << i;
      }
    }
  }
  Random random(4);
  std::vector<float> numbers;
  for (int i = 0; i < 20003; ++i) {
    const uint32_t bits = random.bits();
    float x;
    std::memcpy(&x, &bits, 4);
    numbers.push_back(i % 2 == 0 ? x : std::ldexp(random.number(), int(random.below(60)) - 40));
  }
  for (const float x :
       {0.0f, -0.0f, INFINITY, -INFINITY, 65504.0f, 65519.9f, 65520.0f, 1e-8f, 6e-8f}) {
    numbers.push_back(x);
  }
  std::vector<uint16_t> f16(numbers.size()), bf16(numbers.size());
  kernels.to_f16(numbers.data(), int64_t(numbers.size()), f16.data());
  kernels.to_bf16(numbers.data(), int64_t(numbers.size()), bf16.data());
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (std::isnan(numbers[i])) {
      ASSERT_TRUE(std::isnan(base::f16_to_float(f16[i])) &&
                  std::isnan(base::bf16_to_float(bf16[i])));
    } else {
      ASSERT_EQ(f16[i], base::float_to_f16(numbers[i])) << numbers[i];
      ASSERT_EQ(bf16[i], base::float_to_bf16(numbers[i])) << numbers[i];
    }
  }
}

TEST_P(CpuRowsTest, QuantizeRowIsExact) {
  Random random(5);
  for (const int64_t cols : {1, 31, 32, 33, 64, 576, 1000}) {
    std::vector<float> x = random.numbers(cols);
    for (size_t i = 0; i < x.size(); i += 7) x[i] *= 100;
    if (cols >= 576) {
      for (size_t i = 0; i < 32; ++i) x[i] = 0, x[32 + i] *= 1e-43f;
      x[70] = NAN;
      x[100] = INFINITY;
      for (size_t i = 128; i < 160; ++i) x[i] = float(int(i) - 140) * 0.5f;  // ties
    }
    const size_t blocks = size_t(cols + 31) / 32;
    std::vector<int8_t> got(blocks * 32, 77), want(blocks * 32, 77);
    std::vector<float> got_scales(blocks), want_scales(blocks);
    GetParam().kernels->quantize_row(x.data(), cols, got.data(), got_scales.data());
    encoding::quantize_row(x.data(), cols, want.data(), want_scales.data());
    EXPECT_EQ(got, want) << cols;
    EXPECT_EQ(std::memcmp(got_scales.data(), want_scales.data(), blocks * 4), 0) << cols;
  }
}

TEST_P(CpuRowsTest, MovingRows) {
  Random random(6);
  const int64_t width = 37;
  Matrix x(9, width, 2, random);
  const std::vector<int32_t> rows = {8, 0, 3, 3, 1}, distinct = {4, 0, 6, 2, 5};
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    const auto bytes = size_t(tensor::bytes_of(dtype, 7 * width));
    std::vector<std::byte> got(bytes), want(bytes);
    const auto view = [&](std::vector<std::byte>& m, int64_t n) {
      return Tensor::view(m.data(), {n, width}, dtype);
    };
    backend.gather_rows(pool, x.tensor(), rows, view(got, 5));
    reference.gather_rows(pool, x.tensor(), rows, view(want, 5));
    EXPECT_EQ(got, want);
    backend.scatter_rows(pool, x.tensor().slice(0, 0, 5), distinct, false, view(got, 7));
    reference.scatter_rows(pool, x.tensor().slice(0, 0, 5), distinct, false, view(want, 7));
    EXPECT_EQ(got, want);
  }
  Matrix heads(5, 3 * 64, 2, random);
  std::vector<std::byte> got80(size_t(tensor::bytes_of(DType::kQ80, 7 * 192))), want80(got80);
  const auto blocks = [](std::vector<std::byte>& m) {
    return Tensor::view(m.data(), {7, 192}, DType::kQ80);
  };
  backend.scatter_rows(pool, heads.tensor(), distinct, false, blocks(got80));
  reference.scatter_rows(pool, heads.tensor(), distinct, false, blocks(want80));
  EXPECT_EQ(got80, want80);

  // Heads one after the other, as a cache has them.
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kQ80}) {
    std::vector<std::byte> got_heads(size_t(tensor::bytes_of(dtype, 7 * 192))),
        want_heads(got_heads);
    const auto by_head = [&](std::vector<std::byte>& m) {
      Tensor t = Tensor::view(m.data(), {7, 3, 64}, dtype);
      t.stride = {64, 7 * 64, 1};
      return t;
    };
    const Tensor x3 = heads.tensor().split_last(64);
    backend.scatter_rows(pool, x3, distinct, false, by_head(got_heads));
    reference.scatter_rows(pool, x3, distinct, false, by_head(want_heads));
    EXPECT_EQ(got_heads, want_heads);
    std::vector<std::byte> head(size_t(tensor::bytes_of(dtype, 7 * 64)));  // the last one alone
    const Tensor last = heads.tensor().slice(1, 128, 64);
    reference.scatter_rows(pool, last, distinct, false, Tensor::view(head.data(), {7, 64}, dtype));
    EXPECT_TRUE(std::equal(head.begin(), head.end(), got_heads.end() - int64_t(head.size())));
  }

  Matrix got(9, width, 0, random);
  Matrix want = got;
  backend.scatter_rows(pool, x.tensor().slice(0, 0, 5), rows, true, got.tensor());
  reference.scatter_rows(pool, x.tensor().slice(0, 0, 5), rows, true, want.tensor());
  expect_near(
      got, want, [](int64_t, int64_t) { return 4 * kRounding; }, "scatter add");
}

TEST_P(CpuRowsTest, Embedding) {
  Random random(7);
  const std::vector<int32_t> ids = {4, 0, 10, 4};
  for (const Encoding encoding : kEncodings) {
    const StoredWeight stored(encoding, 11, 67, random.numbers(11 * 67));
    Matrix got(4, 67, 1), want(4, 67, 1);
    backend.embedding(pool, ids, stored.weight, got.tensor());
    reference.embedding(pool, ids, stored.weight, want.tensor());
    EXPECT_TRUE(got.same_bits(want));
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, CpuRowsTest, testing::ValuesIn(runnable_sets()), set_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CpuRowsTest);

}  // namespace
}  // namespace ocelli::cpu::test
