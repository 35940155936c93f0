// Gradients of operations row by row, and dropout, against the reference, for every instruction
// set. What a destination held before is part of every comparison.
#include "backend/cpu/cpu_test_kit.h"

namespace ocelli::cpu::test {
namespace {

using CpuRowsGradTest = SetTest;

constexpr int64_t kWidths[] = {1, 3, 4, 15, 17, 64, 100, 577};

double largest(const Matrix& m) {
  double most = 0;
  for (int64_t r = 0; r < m.rows(); ++r) {
    for (int64_t i = 0; i < m.width(); ++i) most = std::max(most, std::fabs(double(m.at(r, i))));
  }
  return most;
}

// Row 2 is zero (1 / sqrt(eps) of the gradient comes through), row 3 has a mean of 100 deviations.
struct NormCase {
  Matrix x, dy, got, want, dw, dw_want, db, db_want;
  std::vector<float> w;

  NormCase(int64_t rows, int64_t width, Random& random)
      : x(rows, width, 3, random),
        dy(rows, width, 1, random),
        got(rows, width, 2, random),
        want(got),
        dw(1, width, 0, random),
        dw_want(dw),
        db(1, width, 0, random),
        db_want(db),
        w(random.numbers(width)) {
    for (int64_t i = 0; i < width; ++i) x.at(2, i) = 0;
    for (int64_t i = 0; i < width; ++i) x.at(3, i) += 100;
  }
  // Of a row: what its numbers are divided by, and how far they reach then.
  double inverse(int64_t r, bool centred, double eps) const {
    double mean = 0, square = 0;
    for (int64_t i = 0; centred && i < x.width(); ++i) mean += x.at(r, i) / double(x.width());
    for (int64_t i = 0; i < x.width(); ++i) square += std::pow(x.at(r, i) - mean, 2);
    return 1 / std::sqrt(square / double(x.width()) + eps);
  }
};

// With n = (x - mean) / deviation, of which none exceeds sqrt(width): dx = (g - mean(g) - n
// mean(g n)) / deviation. The chains of the three means round at random; row 3's mean also loses
// what 100 deviations hide of a number, and that by the deviation of few numbers.
TEST_P(CpuRowsGradTest, Norms) {
  Random random;
  for (const int64_t width : kWidths) {
    for (const bool centred : {false, true}) {
      NormCase c(7, width, random);
      const float eps = 1e-3f;
      const auto run = [&](tensor::Backend& b, Matrix& dx, Matrix& dw, Matrix& db) {
        if (centred) {
          b.layer_norm_grad(pool, c.x.tensor(), c.w.data(), eps, c.dy.tensor(), dx.tensor(),
                            &dw.at(0, 0), &db.at(0, 0));
        } else {
          b.rms_norm_grad(pool, c.x.tensor(), c.w.data(), eps, c.dy.tensor(), dx.tensor(),
                          &dw.at(0, 0));
        }
      };
      run(backend, c.got, c.dw, c.db);
      run(reference, c.want, c.dw_want, c.db_want);
      const double reach = std::sqrt(double(width)), chain = kRounding * (double(width) / 4 + 16);
      const auto row_error = [&](int64_t r) {
        const double inverse = c.inverse(r, centred, double(eps));
        const double hidden = centred && r == 3 ? 100 * inverse : 1;
        return inverse * hidden * (1 + reach) * chain;
      };
      expect_near(
          c.got, c.want, [&](int64_t r, int64_t) { return row_error(r) + 4 * kRounding; },
          centred ? "layer dx" : "rms dx");
      double all = 0;
      for (int64_t r = 0; r < 7; ++r) all += (centred && r == 3 ? row_error(r) : reach * chain);
      expect_near(
          c.dw, c.dw_want, [&](int64_t, int64_t) { return all + 16 * kRounding; }, "dw");
      expect_near(
          c.db, c.db_want, [&](int64_t, int64_t) { return 16 * 8 * kRounding; }, "db");
    }
  }
}

// Any part may be left out, and the others do not notice.
TEST_P(CpuRowsGradTest, NormsOfSomeInputs) {
  Random random(2);
  NormCase c(9, 37, random);
  Matrix dx = c.got, dw = c.dw, db = c.db;
  backend.layer_norm_grad(pool, c.x.tensor(), c.w.data(), 1e-5f, c.dy.tensor(), dx.tensor(),
                          &dw.at(0, 0), &db.at(0, 0));
  Matrix one = c.got;
  backend.layer_norm_grad(pool, c.x.tensor(), c.w.data(), 1e-5f, c.dy.tensor(), one.tensor(),
                          nullptr, nullptr);
  EXPECT_TRUE(one.same_bits(dx));
  one = c.dw;
  backend.layer_norm_grad(pool, c.x.tensor(), c.w.data(), 1e-5f, c.dy.tensor(), {}, &one.at(0, 0),
                          nullptr);
  EXPECT_TRUE(one.same_bits(dw));
  one = c.db;
  backend.layer_norm_grad(pool, c.x.tensor(), c.w.data(), 1e-5f, c.dy.tensor(), {}, nullptr,
                          &one.at(0, 0));
  EXPECT_TRUE(one.same_bits(db));
}

// Everything that is cut for threads, with 1, 2 and 3 of them.
TEST_P(CpuRowsGradTest, SameBitsOnAnyNumberOfThreads) {
  Random random(3);
  const int64_t rows = 150, width = GetParam().emulated ? 130 : 1000;
  Matrix x(rows, width, 0, random), dy(rows, width, 0, random), up(rows, width, 0, random);
  const std::vector<float> w = random.numbers(width);
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < rows; ++i) ids.push_back(int32_t(random.below(9)));
  std::vector<std::vector<Matrix>> results;
  for (const int threads : {1, 2, 3}) {
    ThreadPool some(threads);
    std::vector<Matrix>& out = results.emplace_back();
    for (int i = 0; i < 7; ++i) out.emplace_back(i < 3 ? rows : 9, width, 0);
    const auto tensor = [&](size_t i) { return out[i].tensor(); };
    backend.layer_norm_grad(some, x.tensor(), w.data(), 1e-5f, dy.tensor(), tensor(0),
                            &out[3].at(0, 0), &out[4].at(0, 0));
    backend.silu_mul_grad(some, x.tensor(), up.tensor(), dy.tensor(), tensor(1), tensor(1));
    backend.dropout(some, x.tensor(), {{1, 2, 3, 4}, 0.5f}, tensor(2));
    backend.accumulate(some, x.tensor(), 0.5f, tensor(5).slice(0, 0, 1));
    backend.accumulate(some, x.tensor(), 0.5f, tensor(5).slice(0, 1, 5));
    Weight table{.rows = 9, .cols = width};
    table.grad = &out[6].at(0, 0);
    backend.embedding_grad(some, ids, dy.tensor(), table);
    backend.scatter_rows(some, up.tensor(), ids, true, tensor(6));
    for (size_t i = 0; i < out.size(); ++i) EXPECT_TRUE(out[i].same_bits(results[0][i])) << i;
  }
}

// With s = sigmoid(z): s is off by s (1 - s) of the roundings of z and of e^z, at most 2 kRounding
// (|z| (1 - s) s is below 0.3), and the slope by up to 5 times that.
TEST_P(CpuRowsGradTest, Activations) {
  Random random(4);
  const int64_t count = GetParam().emulated ? 2001 : 40001;
  Matrix x(2, count, 1), dy(2, count, 2, random);
  for (int64_t i = 0; i < count; ++i) {
    x.at(0, i) = float(i - count / 2) * (40.0f / float(count));
    x.at(1, i) = float(i - count / 2) * (400.0f / float(count));
  }
  for (const Activation f : {Activation::kNone, Activation::kGeluTanh, Activation::kSilu}) {
    Matrix got(2, count, 3, random);
    Matrix want = got;
    backend.activation_grad(pool, f, x.tensor(), dy.tensor(), got.tensor());
    reference.activation_grad(pool, f, x.tensor(), dy.tensor(), want.tensor());
    expect_near(
        got, want, [](int64_t, int64_t) { return 12 * kRounding; }, "activation_grad");
  }
}

TEST_P(CpuRowsGradTest, SlopesOfExtremes) {
  const float extremes[] = {0.0f, -0.0f, 1e30f, -1e30f, 89.0f, -89.0f, 1e4f, -1e4f, 3e38f, NAN};
  Matrix x(1, std::size(extremes)), dy(1, x.width()), got(1, x.width()), want(1, x.width());
  for (int64_t i = 0; i < x.width(); ++i) {
    x.at(0, i) = extremes[i];
    dy.at(0, i) = 1;
    got.at(0, i) = want.at(0, i) = 0;
  }
  for (const Activation f : {Activation::kGeluTanh, Activation::kSilu}) {
    backend.activation_grad(pool, f, x.tensor(), dy.tensor(), got.tensor());
    reference.activation_grad(pool, f, x.tensor(), dy.tensor(), want.tensor());
    for (int64_t i = 0; i < x.width(); ++i) {
      if (std::isnan(x.at(0, i))) {
        EXPECT_TRUE(std::isnan(got.at(0, i)));
      } else {
        EXPECT_NEAR(got.at(0, i), want.at(0, i), 1e-6) << x.at(0, i);
      }
    }
  }
}

TEST_P(CpuRowsGradTest, SiluMul) {
  Random random(5);
  for (const int64_t width : kWidths) {
    Matrix gate(5, width, 1, random), up(5, width, 2, random), dy(5, width, 3, random);
    Matrix dgate(5, width, 4, random), dup(5, width, 5, random);
    Matrix dgate_want = dgate, dup_want = dup, alone = dup;
    backend.silu_mul_grad(pool, gate.tensor(), up.tensor(), dy.tensor(), dgate.tensor(),
                          dup.tensor());
    reference.silu_mul_grad(pool, gate.tensor(), up.tensor(), dy.tensor(), dgate_want.tensor(),
                            dup_want.tensor());
    const auto bound = [](int64_t, int64_t) { return 8 * kRounding; };
    expect_near(dgate, dgate_want, bound, "dgate");
    expect_near(dup, dup_want, bound, "dup");
    backend.silu_mul_grad(pool, gate.tensor(), up.tensor(), dy.tensor(), {}, alone.tensor());
    EXPECT_TRUE(alone.same_bits(dup));
  }
}

TEST_P(CpuRowsGradTest, SumsOverRows) {
  Random random(6);
  for (const int64_t width : kWidths) {
    Matrix x(150, width, 1, random), dy(150, width, 2, random);
    for (const int64_t rows : {1, 3, 75, 150}) {
      Matrix got(rows, width, 3, random);
      Matrix want = got;
      backend.accumulate(pool, x.tensor(), -0.75f, got.tensor());
      reference.accumulate(pool, x.tensor(), -0.75f, want.tensor());
      const double terms = 150 / double(rows);
      expect_near(
          got, want, [&](int64_t, int64_t) { return kRounding * (terms * terms / 2 + 4); },
          "accumulate");
    }
    const std::vector<float> s = random.numbers(width);
    Matrix dx(150, width, 0, random), ds(1, width, 0, random), y(150, width, 1);
    Matrix dx_want = dx, ds_want = ds, y_want = y;
    backend.scale_columns(pool, x.tensor(), s.data(), y.tensor());
    reference.scale_columns(pool, x.tensor(), s.data(), y_want.tensor());
    EXPECT_TRUE(y.same_bits(y_want));
    backend.scale_columns_grad(pool, x.tensor(), s.data(), dy.tensor(), dx.tensor(), &ds.at(0, 0));
    reference.scale_columns_grad(pool, x.tensor(), s.data(), dy.tensor(), dx_want.tensor(),
                                 &ds_want.at(0, 0));
    EXPECT_TRUE(dx.same_bits(dx_want));
    expect_near(
        ds, ds_want, [&](int64_t, int64_t) { return kRounding * 150 * 75; }, "ds");
  }
}

// The same numbers are dropped, and the results are those of the reference, bit for bit.
TEST_P(CpuRowsGradTest, DropoutIsExact) {
  Random random(7);
  for (const int64_t width : {1, 5, 64, 255, 256, 257, 1001}) {
    Matrix x(7, width, 1, random);
    x.at(0, 0) = INFINITY;
    for (const float p : {0x1p-24f, 0.1f, 0.5f, 0.999f}) {
      const tensor::Dropout d{{0x123456789abcdefu, 77, 65535, 0xffffffffu}, p};
      Matrix got(7, width, 2), want(7, width, 2);
      backend.dropout(pool, x.tensor(), d, got.tensor());
      reference.dropout(pool, x.tensor(), d, want.tensor());
      EXPECT_TRUE(got.same_bits(want)) << width << " " << p;
      Matrix dx(7, width, 0, random);
      Matrix dx_want = dx;
      backend.dropout_grad(pool, x.tensor(), d, dx.tensor());
      reference.dropout_grad(pool, x.tensor(), d, dx_want.tensor());
      EXPECT_TRUE(dx.same_bits(dx_want)) << width << " " << p;
    }
  }
}

TEST_P(CpuRowsGradTest, EmbeddingIsExact) {
  Random random(8);
  const std::vector<int32_t> ids = {4, 0, 10, 4, 4};
  for (const int64_t width : kWidths) {
    Matrix dy(5, width, 1, random), got(11, width, 0, random);
    Matrix want = got;
    Weight w{.rows = 11, .cols = width};
    w.grad = &got.at(0, 0);
    backend.embedding_grad(pool, ids, dy.tensor(), w);
    w.grad = &want.at(0, 0);
    reference.embedding_grad(pool, ids, dy.tensor(), w);
    EXPECT_TRUE(got.same_bits(want)) << width;
    EXPECT_GT(largest(got), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, CpuRowsGradTest, testing::ValuesIn(runnable_sets()), set_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CpuRowsGradTest);

}  // namespace
}  // namespace ocelli::cpu::test
