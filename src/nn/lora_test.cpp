// DoRA, dropout, weights and merging, held against the formulas in float64.
#include "nn/lora.h"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <memory>
#include <random>

#include "backend/reference/reference_backend.h"
#include "nn/embedding.h"
#include "nn/linear.h"

namespace ocelli::nn {
namespace {

using encoding::Encoding;

constexpr int64_t kIn = 32, kOut = 6, kTokens = 5;

class LoraTest : public testing::Test {
 protected:
  Context run() { return {backend_, arena_, pool_, nullptr, {}, true}; }
  Context train() { return {backend_, arena_, pool_, &tape_, {7, 3, 0, 0}, true}; }

  Tensor tensor(std::initializer_list<int64_t> shape, float low = -1, float high = 1) {
    Tensor t = Tensor::view(nullptr, shape);
    auto& kept = kept_.emplace_back(std::make_unique<std::vector<float>>(size_t(t.count())));
    for (float& x : *kept) x = std::uniform_real_distribution<float>(low, high)(random_);
    t.data = kept->data();
    return t;
  }
  Weight weight(int64_t rows, int64_t cols, Encoding encoding = Encoding::kF32) {
    const Tensor t = tensor({rows, cols});
    auto& kept = bytes_.emplace_back(size_t(rows * encoding::row_bytes(encoding, cols)));
    for (int64_t r = 0; r < rows; ++r)
      encoding::encode_row(encoding, t.f32() + r * cols, cols,
                           kept.data() + r * encoding::row_bytes(encoding, cols));
    return {encoding, {}, rows, cols, kept.data()};
  }
  Lora lora(int64_t rank, bool dora, const Weight& w) {
    Lora l{weight(rank, w.cols), weight(w.rows, rank), 0.5f};
    if (dora) {
      l.magnitude = tensor({1, w.rows}, 1, 3);
      l.inverse_norm = tensor({1, w.rows});
      refresh(pool_, w, l);
    }
    return l;
  }

  tensor::Arena arena_ = *tensor::Arena::create(int64_t{1} << 26);
  base::ThreadPool pool_{2};
  reference::ReferenceBackend backend_;
  tensor::Tape tape_;
  std::mt19937 random_{3};
  std::vector<std::unique_ptr<std::vector<float>>> kept_;
  std::deque<std::vector<std::byte>> bytes_;
};

std::vector<double> row_of(const Weight& w, int64_t r) {
  std::vector<float> row(size_t(w.cols));
  encoding::decode_row(w.encoding, w.row(r), 0, w.cols, row.data());
  return {row.begin(), row.end()};
}

// Row n of W' from its definition; the norm of this row of W + scale b a, or the one given.
std::vector<double> changed_row(const Weight& w, const Lora& l, int64_t n, double norm = 0) {
  const std::vector<double> before = row_of(w, n), b = row_of(l.b, n);
  std::vector<double> row = before;
  for (int64_t r = 0; r < l.a.rows; ++r) {
    const std::vector<double> a = row_of(l.a, r);
    for (size_t k = 0; k < row.size(); ++k) row[k] += double(l.scale) * b[size_t(r)] * a[k];
  }
  if (l.magnitude) {
    double squares = 0;
    for (const double x : row) squares += x * x;
    const double f = double(l.magnitude.f32()[n]) / (norm > 0 ? norm : std::sqrt(squares));
    for (double& x : row) x *= f;
  }
  for (size_t k = 0; k < row.size(); ++k) row[k] = before[k] + l.weight * (row[k] - before[k]);
  return row;
}

double product(const Tensor& x, int64_t t, const std::vector<double>& row) {
  double sum = 0;
  for (size_t k = 0; k < row.size(); ++k) sum += double(x.f32()[t * kIn + int64_t(k)]) * row[k];
  return sum;
}

// Sums of 32 products of numbers up to 3 in float32.
constexpr double kTolerance = 32 * 10 * 0x1p-22;

TEST_F(LoraTest, ComputesWhatTheChangedMatrixWould) {
  for (const Encoding e : {Encoding::kF32, Encoding::kQ80, Encoding::kQ40}) {
    for (const bool dora : {false, true}) {
      for (const float share : {1.0f, 0.25f, -1.0f}) {
        Linear l;
        l.w = weight(kOut, kIn, e);
        l.bias = tensor({kOut});
        l.lora = {lora(3, dora, l.w)};
        l.lora[0].weight = share;
        l.lora[0].dropout = 0.5f;  // not while running
        const Tensor x = tensor({kTokens, kIn});
        Context c = run();
        const Tensor y = l(c, x);
        for (int64_t n = 0; n < kOut; ++n) {
          const std::vector<double> row = changed_row(l.w, l.lora[0], n);
          std::vector<float> merged(kIn);
          encoding::decode_row(e, l.w.row(n), 0, kIn, merged.data());
          merge_row(l.lora[0], n, merged);
          for (size_t k = 0; k < kIn; ++k) EXPECT_NEAR(merged[k], row[k], 1e-5);
          for (int64_t t = 0; t < kTokens; ++t)
            EXPECT_NEAR(y.f32()[t * kOut + n], product(x, t, row) + l.bias.f32()[n], kTolerance);
        }
      }
    }
  }
}

TEST_F(LoraTest, AGroupOfDorasIsItsMembers) {
  LinearGroup<2> group;
  for (Linear& l : group.members) {
    l.w = weight(kOut, kIn);
    l.bias = tensor({kOut});
  }
  group.members[1].lora = {lora(2, true, group.members[1].w), lora(1, false, group.members[1].w)};
  const Tensor x = tensor({kTokens, kIn});
  Context c = run();
  const auto ys = group(c, x);
  for (size_t i = 0; i < 2; ++i) {
    const Tensor alone = group.members[i](c, x);
    for (int64_t k = 0; k < alone.count(); ++k) EXPECT_EQ(ys[i].f32()[k], alone.f32()[k]);
  }
}

// The loss is the sum of all results weighted by 1, 2, 3, ...; with norms held fixed it is linear
// in each number, so that a difference is the derivative.
TEST_F(LoraTest, GradientsOfDoraHoldTheNorms) {
  for (const Encoding e : {Encoding::kF32, Encoding::kQ40}) {
    Linear l;
    l.w = weight(kOut, kIn, e);
    l.bias = tensor({kOut});
    l.lora = {lora(2, true, l.w)};
    Lora& adapter = l.lora[0];
    std::vector<float> da(size_t(2 * kIn), 0.f), db(size_t(kOut * 2), 0.f), dm(size_t(kOut), 0.f);
    adapter.a.grad = da.data();
    adapter.b.grad = db.data();
    tensor::Grad grad{dm.data(), kOut};
    adapter.magnitude.grad = &grad;
    const Tensor x = tensor({kTokens, kIn});
    Context c = train();
    const Tensor y = l(c, x);
    float* dy = tensor::grad_of(c, y);
    for (int i = 0; i < kTokens * kOut; ++i) dy[i] = float(i + 1);
    tensor::run_backward(c);
    const auto loss = [&] {
      double sum = 0;
      for (int64_t n = 0; n < kOut; ++n) {
        const auto row = changed_row(l.w, adapter, n, 1 / double(adapter.inverse_norm.f32()[n]));
        for (int64_t t = 0; t < kTokens; ++t) sum += double(t * kOut + n + 1) * product(x, t, row);
      }
      return sum;
    };
    const auto check = [&](float* values, const std::vector<float>& got) {
      for (size_t i = 0; i < got.size(); ++i) {
        const float before = values[i];
        values[i] = before + 1;
        const double up = loss();
        values[i] = before - 1;
        const double wanted = (up - loss()) / 2;
        values[i] = before;
        EXPECT_NEAR(got[i], wanted, 1e-4 * (10 + std::abs(wanted))) << i;
      }
    };
    check(reinterpret_cast<float*>(const_cast<std::byte*>(adapter.a.data)), da);
    check(reinterpret_cast<float*>(const_cast<std::byte*>(adapter.b.data)), db);
    check(adapter.magnitude.f32(), dm);
  }
}

// PEFT drops the adapter's input alone, in DoRA that of the base product too, and each module draws
// numbers of its own.
TEST_F(LoraTest, DropoutIsOfTheAdapterAndOfItsModule) {
  for (const bool dora : {false, true}) {
    Linear l;
    l.w = weight(kOut, kIn);
    l.lora = {lora(2, dora, l.w)};
    const Tensor x = tensor({kTokens, kIn});
    std::vector<std::vector<float>> results;
    for (const uint32_t op : {4u, 4u, 5u}) {
      l.lora[0].dropout = 0.5f;
      l.lora[0].op = op;
      Context c = train();
      const Tensor y = l(c, x);
      results.emplace_back(y.f32(), y.f32() + y.count());
      tape_.clear();
    }
    EXPECT_EQ(results[0], results[1]);
    EXPECT_NE(results[0], results[2]);
    // Without b, only the base product counts: LoRA leaves it alone.
    auto* b = reinterpret_cast<float*>(const_cast<std::byte*>(l.lora[0].b.data));
    std::fill_n(b, kOut * 2, 0.0f);
    l.lora[0].magnitude = {};
    Context c = train();
    const Tensor y = l(c, x);
    for (int64_t n = 0; n < kOut; ++n)
      for (int64_t t = 0; t < kTokens; ++t)
        EXPECT_NEAR(y.f32()[t * kOut + n], product(x, t, row_of(l.w, n)), kTolerance);
    tape_.clear();
  }
}

TEST_F(LoraTest, EmbeddingsTakeAdapters) {
  constexpr int64_t kVocab = 9, kWidth = 8;
  const std::vector<int32_t> ids{3, 0, 8, 3};
  for (const bool dora : {false, true}) {
    Embedding e;
    e.w = weight(kVocab, kWidth);
    Lora l{weight(kVocab, 2), weight(kWidth, 2), 0.5f};
    if (dora) {
      l.magnitude = tensor({1, kWidth}, 1, 3);
      l.inverse_norm = tensor({1, kWidth});
      refresh(pool_, e.w, l, true);
      for (int64_t d = 0; d < kWidth; ++d) {
        double squares = 0;
        for (int64_t v = 0; v < kVocab; ++v) {
          const auto a = row_of(l.a, v), b = row_of(l.b, d), w = row_of(e.w, v);
          const double x = w[size_t(d)] + 0.5 * (a[0] * b[0] + a[1] * b[1]);
          squares += x * x;
        }
        EXPECT_NEAR(l.inverse_norm.f32()[d], 1 / std::sqrt(squares), 1e-5);
      }
    }
    e.lora = {l};
    Context c = run();
    const Tensor y = e(c, ids);
    for (size_t t = 0; t < ids.size(); ++t) {
      std::vector<float> row(kWidth);
      encoding::decode_row(Encoding::kF32, e.w.row(ids[t]), 0, kWidth, row.data());
      merge_row(l, ids[t], row, true);
      for (size_t d = 0; d < kWidth; ++d)
        EXPECT_NEAR(y.f32()[t * kWidth + d], row[d], 1e-5) << dora;
    }
  }
}

TEST_F(LoraTest, ARowOfZerosStaysFinite) {
  Linear l;
  l.w = weight(kOut, kIn);
  l.lora = {lora(2, true, l.w)};
  for (const Weight& w : {l.w, l.lora[0].b}) {
    auto* numbers = reinterpret_cast<float*>(const_cast<std::byte*>(w.data));
    std::fill_n(numbers, w.rows * w.cols, 0.0f);
  }
  refresh(pool_, l.w, l.lora[0]);
  Context c = run();
  const Tensor y = l(c, tensor({kTokens, kIn}));
  for (int64_t i = 0; i < y.count(); ++i) EXPECT_EQ(y.f32()[i], 0);
}

}  // namespace
}  // namespace ocelli::nn
