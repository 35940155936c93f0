// What the definition promises: float64 sums, 8-bit products block by block, the same bits on any
// number of threads. Values of single functions are in tests/ops_test.cpp, gradients in
// tests/gradient_test.cpp.
#include "backend/reference/reference_backend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "base/f16.h"

namespace ocelli::reference {
namespace {

using encoding::Encoding;

std::vector<float> noise(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = normal(random);
  return values;
}

struct Matrix {
  std::vector<std::byte> bytes;
  std::vector<float> grad;
  Weight w;

  Matrix(Encoding e, int64_t rows, int64_t cols)
      : bytes(size_t(rows * encoding::row_bytes(e, cols))) {
    const std::vector<float> values = noise(rows * cols, 5);
    w = {e, encoding::Layout::kPlain, rows, cols, bytes.data(), nullptr};
    for (int64_t r = 0; r < rows; ++r) {
      encoding::encode_row(e, &values[size_t(r * cols)], cols,
                           &bytes[size_t(r) * bytes.size() / size_t(rows)]);
    }
  }
};

std::vector<float> linear(const Weight& w, const std::vector<float>& x, bool exact,
                          int threads = 1) {
  ReferenceBackend backend;
  ThreadPool pool(threads);
  const int64_t rows = int64_t(x.size()) / w.cols;
  std::vector<float> y(size_t(rows * w.rows));
  const tensor::LinearJob job{.x = Tensor::view(const_cast<float*>(x.data()), {rows, w.cols}),
                              .w = &w,
                              .y = Tensor::view(y.data(), {rows, w.rows}),
                              .exact = exact};
  backend.linear(pool, {&job, 1});
  return y;
}

TEST(ReferenceLinear, SumsInFloat64) {
  // In float32 the ones would be lost beside 2^24.
  const std::vector<float> ws = {0x1p24f, 1, 1, 1, -0x1p24f}, x(5, 1);
  const Weight w{.rows = 1, .cols = 5, .data = reinterpret_cast<const std::byte*>(ws.data())};
  EXPECT_EQ(linear(w, x, false), std::vector<float>{3});
}

TEST(ReferenceLinear, EightBitsBlockByBlock) {
  for (const int64_t cols : {1, 32, 33, 100}) {
    const Matrix m(Encoding::kQ80, 3, cols);
    const std::vector<float> x = noise(2 * cols, 9);
    const std::vector<float> y = linear(m.w, x, false);
    for (int64_t t = 0; t < 2; ++t) {
      std::vector<int8_t> codes(size_t((cols + 31) / 32 * 32));
      std::vector<float> scales(codes.size() / 32), row(static_cast<size_t>(cols));
      encoding::quantize_row(&x[size_t(t * cols)], cols, codes.data(), scales.data());
      for (int64_t n = 0; n < 3; ++n) {
        encoding::decode_row(Encoding::kQ80, m.w.row(n), 0, cols, row.data());
        double want = 0;
        for (size_t k = 0; k < row.size(); ++k)
          want += double(row[k]) * codes[k] * double(scales[k / 32]);
        EXPECT_FLOAT_EQ(y[size_t(t * 3 + n)], float(want)) << cols;
      }
    }
  }
}

// One scale a row, groups of 128 columns.
TEST(ReferenceLinear, WholeNumbersGroupByGroup) {
  for (const Encoding e : {Encoding::kQ8, Encoding::kQ4}) {
    for (const int64_t cols : {1, 33, 128, 300}) {
      const Matrix m(e, 3, cols);
      const std::vector<float> x = noise(2 * cols, 9);
      const std::vector<float> y = linear(m.w, x, false);
      for (int64_t t = 0; t < 2; ++t) {
        std::vector<int8_t> codes(size_t((cols + 127) / 128 * 128));
        std::vector<float> scales(codes.size() / 128), row(static_cast<size_t>(cols));
        encoding::quantize_row(&x[size_t(t * cols)], cols, codes.data(), scales.data(), 128);
        for (int64_t n = 0; n < 3; ++n) {
          encoding::decode_row(e, m.w.row(n), 0, cols, row.data());
          double want = 0;
          for (size_t k = 0; k < row.size(); ++k)
            want += double(row[k]) * codes[k] * double(scales[k / 128]);
          EXPECT_NEAR(y[size_t(t * 3 + n)], want, 1e-6 * double(cols)) << cols;
        }
      }
    }
  }
}

TEST(ReferenceLinear, ExactUsesDecodedWeights) {
  for (const Encoding e : {Encoding::kF32, Encoding::kF16, Encoding::kBF16, Encoding::kQ80}) {
    const Matrix m(e, 4, 65);
    const std::vector<float> x = noise(65, 2), y = linear(m.w, x, true);
    std::vector<float> row(65);
    for (int64_t n = 0; n < 4; ++n) {
      encoding::decode_row(e, m.w.row(n), 0, 65, row.data());
      double want = 0;
      for (size_t k = 0; k < row.size(); ++k) want += double(row[k]) * x[k];
      EXPECT_EQ(y[size_t(n)], float(want)) << encoding::name(e);
    }
    EXPECT_EQ(linear(m.w, x, false) != y, e == Encoding::kQ80)
        << "8-bit activations are for q8 alone";
  }
}

// All that a thread could change, computed with 1, 2 and 5 of them.
std::vector<float> everything(int threads) {
  constexpr int64_t kTokens = 37, kHeads = 6, kKeyHeads = 3, kWidth = 8, kAll = kHeads * kWidth;
  ReferenceBackend backend;
  ThreadPool pool(threads);
  std::vector<float> results;
  const auto keep = [&](const std::vector<float>& v) {
    results.insert(results.end(), v.begin(), v.end());
  };
  std::vector<float> a = noise(kTokens * kAll, 1), b = noise(kTokens * kAll, 2), out(a.size()),
                     grad(a.size());
  const auto heads = [](std::vector<float>& v, int64_t h) {
    return Tensor::view(v.data(), {kTokens, h, kWidth});
  };
  const auto rows = [](std::vector<float>& v) { return Tensor::view(v.data(), {kTokens, kAll}); };

  const Matrix m(Encoding::kQ80, 20, kAll);
  keep(linear(m.w, a, false, threads));
  Matrix trainable(Encoding::kF32, kAll, kAll);
  trainable.grad.resize(size_t(kAll * kAll));
  trainable.w.grad = trainable.grad.data();
  backend.linear_grad_input(pool, rows(b), trainable.w, rows(grad));
  backend.linear_grad_weight(pool, rows(a), rows(b), trainable.w);
  keep(grad);
  keep(trainable.grad);

  std::vector<tensor::KeyRange> ranges;
  for (int32_t t = 0; t < kTokens; ++t) ranges.push_back({t / 2, t + 1});
  std::vector<float> k = noise(kTokens * kKeyHeads * kWidth, 3),
                     v = noise(kTokens * kKeyHeads * kWidth, 4);
  std::vector<float> log_sum_exp(size_t(kTokens * kHeads)), dk(k.size()), dv(v.size());
  const tensor::AttentionJob job{
      heads(a, kHeads),  heads(k, kKeyHeads), heads(v, kKeyHeads), heads(out, kHeads), ranges, 0.3f,
      log_sum_exp.data()};
  backend.attention(pool, job);
  backend.attention_grad(pool, {job, heads(b, kHeads), heads(grad, kHeads), heads(dk, kKeyHeads),
                                heads(dv, kKeyHeads)});
  for (const auto* one : {&out, &log_sum_exp, &grad, &dk, &dv}) keep(*one);

  std::vector<float> w = noise(kAll, 6), dw(size_t{kAll}), db(size_t{kAll}), loss(1, 1);
  backend.layer_norm_grad(pool, rows(a), w.data(), 1e-6f, rows(b), rows(grad), dw.data(),
                          db.data());
  for (const auto* one : {&grad, &dw, &db}) keep(*one);
  const std::vector<int32_t> targets(size_t{kTokens}, 11);
  backend.cross_entropy(pool, rows(a), targets, 0.1f, Tensor::view(loss.data(), {1}));
  backend.cross_entropy_grad(pool, rows(a), targets, 0.1f, Tensor::view(loss.data(), {1}),
                             rows(grad));
  keep(loss);
  keep(grad);
  return results;
}

TEST(ReferenceBackend, SameBitsOnAnyNumberOfThreads) {
  const std::vector<float> one = everything(1);
  EXPECT_EQ(everything(2), one);
  EXPECT_EQ(everything(5), one);
}

TEST(ReferenceBackend, RowsInPlace) {
  ReferenceBackend backend;
  ThreadPool pool(1);
  std::vector<float> x = noise(24, 1), y(24), in_place = x, table = noise(24, 2);
  const Tensor tx = Tensor::view(x.data(), {3, 2, 4}), ty = Tensor::view(y.data(), {3, 2, 4}),
               self = Tensor::view(in_place.data(), {3, 2, 4}),
               angles = Tensor::view(table.data(), {3, 4});
  backend.rope(pool, tx, angles, 1, ty);
  backend.rope(pool, self, angles, 1, self);
  EXPECT_EQ(in_place, y);
  backend.activation(pool, Activation::kSilu, ty, tx);
  backend.activation(pool, Activation::kSilu, self, self);
  EXPECT_EQ(in_place, x);
}

TEST(ReferenceBackend, GatherConverts) {
  ReferenceBackend backend;
  ThreadPool pool(1);
  std::vector<float> x = {1, 2, 0.1f, -65536};
  std::vector<uint16_t> half(4), brain(4);
  const std::vector<int32_t> rows = {1, 0};
  const Tensor from = Tensor::view(x.data(), {2, 2});
  backend.gather_rows(pool, from, rows, Tensor::view(half.data(), {2, 2}, tensor::DType::kF16));
  backend.gather_rows(pool, from, rows, Tensor::view(brain.data(), {2, 2}, tensor::DType::kBF16));
  EXPECT_EQ(half, (std::vector<uint16_t>{base::float_to_f16(0.1f), 0xFC00, 0x3C00, 0x4000}));
  EXPECT_EQ(brain[0], base::float_to_bf16(0.1f));
}

}  // namespace
}  // namespace ocelli::reference
