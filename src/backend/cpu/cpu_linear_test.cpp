// Products with weights against the reference, for every instruction set.
#include <array>

#include "backend/cpu/cpu_test_kit.h"

namespace ocelli::cpu::test {
namespace {

using CpuLinearTest = SetTest;

struct Shape {
  int64_t t, k, n;
};

// Kernels for few and for many rows, tails in every direction, widths of the real models.
constexpr Shape kShapes[] = {
    {1, 576, 50},  {2, 33, 7},    {3, 960, 17},  {4, 1152, 9},   {5, 576, 33},  {1, 1, 1},
    {6, 31, 1},    {7, 300, 65},  {13, 768, 40}, {14, 257, 31},  {15, 576, 16}, {16, 64, 300},
    {29, 95, 47},  {70, 768, 48}, {1, 4304, 5},  {9, 4304, 34},  {64, 960, 35}, {2, 12288, 6},
    {43, 512, 29}, {230, 40, 37}, {4, 128, 530}, {17, 1152, 275}};

// What float32 sums of K products may lose: chains of at most 256, then one step for each 256.
// `magnitudes` is sum |x w|.
double sum_bound(double magnitudes, int64_t k) {
  return kRounding * magnitudes * (double(std::min<int64_t>(k, 256)) + double(k) / 256 + 8);
}

// |w| in the encoding of w, or in float32 where that is read from files only.
StoredWeight positive_weight(const Weight& w) {
  std::vector<float> numbers(static_cast<size_t>(w.rows * w.cols));
  for (int64_t r = 0; r < w.rows; ++r) {
    encoding::decode_row(w.encoding, w.row(r), 0, w.cols, &numbers[size_t(r * w.cols)]);
  }
  for (float& v : numbers) v = std::fabs(v);
  const Encoding e = encoding::can_encode(w.encoding) ? w.encoding : Encoding::kF32;
  return StoredWeight(e, w.rows, w.cols, numbers);
}

// sum |x w| for every result, and as many activations in 8 bits as the job has.
Matrix magnitudes(reference::ReferenceBackend& reference, ThreadPool& pool, const Matrix& x,
                  const Weight& w, bool exact) {
  Matrix positive(x.rows(), x.width());
  for (int64_t r = 0; r < x.rows(); ++r) {
    for (int64_t i = 0; i < x.width(); ++i) positive.at(r, i) = std::fabs(x.at(r, i));
  }
  const StoredWeight stored = positive_weight(w);
  Matrix y(x.rows(), w.rows);
  tensor::LinearJob job;
  job.x = positive.tensor();
  job.w = &stored.weight;
  job.y = y.tensor();
  job.exact = exact;
  reference.linear(pool, {&job, 1});
  return y;
}

bool has_8_bit_products(Encoding e) {
  return encoding::has_groups(e) || e == Encoding::kQ8 || e == Encoding::kQ4;
}

struct Epilogue {
  bool bias, residual, in_place;
  Activation act;
};
constexpr Epilogue kEpilogues[] = {{false, false, false, Activation::kNone},
                                   {true, true, true, Activation::kNone},
                                   {true, false, false, Activation::kGeluTanh},
                                   {false, true, false, Activation::kSilu}};

TEST_P(CpuLinearTest, MatchesReference) {
  Random random;
  size_t index = 0;
  for (const Shape& s : kShapes) {
    for (const Encoding encoding : kEncodings) {
      for (const bool exact : {true, false}) {
        if (!exact && !has_8_bit_products(encoding)) continue;
        const Epilogue& e = kEpilogues[index++ % std::size(kEpilogues)];
        if (skips(index / 3)) continue;
        // Those that are decoded first share their code: every third shape each.
        const bool decoded = !encoding::can_encode(encoding);
        if (decoded && exact && (size_t(&s - kShapes) + size_t(encoding)) % 3 != 0) continue;
        Matrix x(s.t, s.k, 3, random), residual(s.t, s.n, 5, random);
        const std::vector<float> w = random.numbers(s.n * s.k), bias = random.numbers(s.n);
        const StoredWeight stored(encoding, s.n, s.k, w);
        Matrix got(s.t, s.n, 5), want(s.t, s.n, 5);
        tensor::LinearJob job;
        job.x = x.tensor();
        job.w = &stored.weight;
        job.bias = e.bias ? bias.data() : nullptr;
        job.activation = e.act;
        job.exact = exact;
        job.y = want.tensor();
        if (e.residual) job.residual = residual.tensor();
        reference.linear(pool, {&job, 1});
        if (e.in_place) {
          got = residual;
          job.residual = got.tensor();
        }
        job.y = got.tensor();
        backend.linear(pool, {&job, 1});
        const Matrix sums = magnitudes(reference, pool, x, stored.weight, exact);
        // The activations have slopes up to 1.13 and errors of a few roundings of their own.
        expect_near(
            got, want,
            [&](int64_t r, int64_t i) {
              return 1.2 * sum_bound(sums.at(r, i) + 2, s.k) + 8 * kRounding;
            },
            "T " + std::to_string(s.t) + " K " + std::to_string(s.k) + " N " + std::to_string(s.n) +
                " " + std::string(encoding::name(encoding)) + (exact ? " exact" : ""));
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Several jobs of different shapes share one hand-out; results do not depend on the threads.
TEST_P(CpuLinearTest, ManyJobsAndThreads) {
  Random random(2);
  for (const int64_t t : {1, 40}) {
    Matrix x(t, 320, 0, random);
    std::vector<std::unique_ptr<StoredWeight>> weights;
    for (int64_t j = 0; j < 11; ++j) {
      const int64_t n = 1 + 67 * j;
      weights.push_back(std::make_unique<StoredWeight>(kEncodings[size_t(j) % 5], n, 320,
                                                       random.numbers(n * 320)));
    }
    std::vector<std::vector<Matrix>> results;
    for (const int threads : {1, 2, 3}) {
      ThreadPool some(threads);
      std::vector<Matrix> y;
      std::vector<tensor::LinearJob> jobs;
      for (const auto& w : weights) y.emplace_back(t, w->weight.rows);
      for (size_t j = 0; j < weights.size(); ++j) {
        tensor::LinearJob job;
        job.x = x.tensor();
        job.w = &weights[j]->weight;
        job.y = y[j].tensor();
        jobs.push_back(job);
      }
      backend.linear(some, jobs);
      results.push_back(std::move(y));
    }
    for (size_t j = 0; j < weights.size(); ++j) {
      for (const auto& other : results)
        EXPECT_TRUE(results[0][j].same_bits(other[j])) << "job " << j;
      Matrix want(t, weights[j]->weight.rows);
      tensor::LinearJob job;
      job.x = x.tensor();
      job.w = &weights[j]->weight;
      job.y = want.tensor();
      reference.linear(pool, {&job, 1});
      expect_near(
          results[0][j], want, [](int64_t, int64_t) { return sum_bound(320, 320); }, "jobs");
    }
  }
}

// A row's result is the same, bit for bit, in any batch of more than kFewRows rows, and in any
// batch of at most kFewRows rows.
TEST_P(CpuLinearTest, RowsDoNotDependOnTheBatch) {
  Random random(3);
  const int64_t k = 600, n = 50;
  for (const Encoding encoding : kEncodings) {
    const StoredWeight stored(encoding, n, k, random.numbers(n * k));
    Matrix x(40, k, 0, random);
    const auto run = [&](int64_t first, int64_t count) {
      Matrix y(count, n);
      tensor::LinearJob job;
      job.x = x.tensor().slice(0, first, count);
      job.w = &stored.weight;
      job.y = y.tensor();
      backend.linear(pool, {&job, 1});
      return y;
    };
    const auto same_row = [&](const Matrix& a, int64_t ra, const Matrix& b, int64_t rb) {
      for (int64_t i = 0; i < n; ++i) EXPECT_EQ(a.at(ra, i), b.at(rb, i)) << "column " << i;
    };
    const Matrix all = run(0, 40), some = run(11, 5), one = run(12, 1), four = run(10, 4);
    same_row(all, 12, some, 1);
    same_row(all, 15, some, 4);
    same_row(one, 0, four, 2);
  }
}

TEST_P(CpuLinearTest, GradientsMatchReference) {
  Random random(4);
  size_t index = 0;
  for (const Shape& s :
       {Shape{1, 33, 7}, {5, 64, 70}, {31, 300, 40}, {300, 45, 17}, {19, 96, 530}}) {
    for (const Encoding encoding : kEncodings) {
      if (skips(index++)) continue;
      Matrix x(s.t, s.k, 3, random), dy(s.t, s.n, 1, random);
      StoredWeight stored(encoding, s.n, s.k, random.numbers(s.n * s.k));
      Matrix got(s.t, s.k, 2, random);
      Matrix want = got;
      backend.linear_grad_input(pool, dy.tensor(), stored.weight, got.tensor());
      reference.linear_grad_input(pool, dy.tensor(), stored.weight, want.tensor());
      // Numbers are at most 1 (encoded, a little more) in magnitude.
      expect_near(
          got, want, [&](int64_t, int64_t) { return sum_bound(1.01 * double(s.n) + 2, s.n); },
          "dx");
      if (encoding != Encoding::kF32) continue;
      Matrix dw(s.n, s.k, 0, random);
      Matrix dw_want = dw;
      stored.weight.grad = &dw.at(0, 0);
      backend.linear_grad_weight(pool, dy.tensor(), x.tensor(), stored.weight);
      stored.weight.grad = &dw_want.at(0, 0);
      reference.linear_grad_weight(pool, dy.tensor(), x.tensor(), stored.weight);
      expect_near(
          dw, dw_want, [&](int64_t, int64_t) { return sum_bound(double(s.t) + 2, s.t); }, "dw");
    }
  }
}

// More rows, columns or inner indices than one piece or one pass over it takes: all three products
// against the reference, and the same bits from any number of threads.
TEST_P(CpuLinearTest, ManyPieces) {
  Random random(6);
  for (const Shape& s : {Shape{1050, 20, 70}, {36, 2100, 300}, {24, 300, 1100}}) {
    if (GetParam().emulated && s.t > 1000) continue;
    const std::string where = "T " + std::to_string(s.t) + " K " + std::to_string(s.k);
    Matrix x(s.t, s.k, 3, random), dy(s.t, s.n, 1, random);
    const Matrix dx_before(s.t, s.k, 2, random), dw_before(s.n, s.k, 0, random);
    StoredWeight stored(Encoding::kF32, s.n, s.k, random.numbers(s.n * s.k));
    struct Results {
      Matrix y, dx, dw;
      bool same_bits(const Results& o) const {
        return y.same_bits(o.y) && dx.same_bits(o.dx) && dw.same_bits(o.dw);
      }
    };
    const auto run = [&](tensor::Backend& of, ThreadPool& threads) {
      Results r{Matrix(s.t, s.n), dx_before, dw_before};
      std::array<tensor::LinearJob, 2> jobs;  // two of the same rows
      Matrix again(s.t, s.n);
      for (tensor::LinearJob& job : jobs) {
        job.x = x.tensor();
        job.w = &stored.weight;
      }
      jobs[0].y = again.tensor();
      jobs[1].y = r.y.tensor();
      of.linear(threads, jobs);
      EXPECT_TRUE(again.same_bits(r.y)) << where;
      of.linear_grad_input(threads, dy.tensor(), stored.weight, r.dx.tensor());
      stored.weight.grad = &r.dw.at(0, 0);
      of.linear_grad_weight(threads, dy.tensor(), x.tensor(), stored.weight);
      return r;
    };
    const Results want = run(reference, pool), got = run(backend, pool);
    const auto bound = [](int64_t inner) {
      return [=](int64_t, int64_t) { return sum_bound(double(inner) + 2, inner); };
    };
    expect_near(got.y, want.y, bound(s.k), "y " + where);
    expect_near(got.dx, want.dx, bound(s.n), "dx " + where);
    expect_near(got.dw, want.dw, bound(s.t), "dw " + where);
    for (const int count : {2, 3}) {
      ThreadPool threads(count);
      EXPECT_TRUE(run(backend, threads).same_bits(got)) << where << ", threads " << count;
    }
  }
}

// A NaN or an infinity stays in its own row.
TEST_P(CpuLinearTest, RowsWithNanStayApart) {
  Random random(5);
  for (const Encoding e :
       {Encoding::kBF16, Encoding::kQ8, Encoding::kQ4, Encoding::kQ80, Encoding::kQ4K}) {
    for (const int64_t t : {3, 20}) {
      const StoredWeight stored(e, 40, 70, random.numbers(40 * 70));
      Matrix x(t, 70, 0, random);
      Matrix clean(t, 40), y(t, 40);
      tensor::LinearJob job;
      job.x = x.tensor();
      job.w = &stored.weight;
      job.y = clean.tensor();
      backend.linear(pool, {&job, 1});
      for (const float odd : {std::nanf(""), INFINITY}) {
        x.at(1, 69) = odd;
        job.y = y.tensor();
        backend.linear(pool, {&job, 1});
        for (int64_t i = 0; i < 40; ++i) {
          EXPECT_FALSE(std::isfinite(y.at(1, i))) << encoding::name(e);
          EXPECT_EQ(y.at(0, i), clean.at(0, i));
          EXPECT_EQ(y.at(2, i), clean.at(2, i));
        }
      }
    }
  }
}

// Products that are cut by rows, by columns and into passes over long rows: the same as few rows at
// a time, which are not.
TEST_P(CpuLinearTest, LargePieces) {
  if (GetParam().emulated) return;
  Random random(6);
  for (const Shape& s : {Shape{1100, 300, 70}, Shape{600, 2048, 40}, Shape{520, 4200, 600}}) {
    Matrix x(s.t, s.k, 3, random), all(s.t, s.n);
    const StoredWeight w(Encoding::kF32, s.n, s.k, random.numbers(s.n * s.k));
    tensor::LinearJob job;
    job.x = x.tensor();
    job.w = &w.weight;
    job.y = all.tensor();
    backend.linear(pool, {&job, 1});
    Matrix some(50, s.n);
    for (int64_t first = 0; first + 50 <= s.t; first += 50) {
      job.x = x.tensor().slice(0, first, 50);
      job.y = some.tensor();
      backend.linear(pool, {&job, 1});
      ASSERT_EQ(std::memcmp(&some.at(0, 0), &all.at(first, 0), size_t(50 * s.n) * sizeof(float)), 0)
          << s.t << ' ' << s.k << ' ' << first;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, CpuLinearTest, testing::ValuesIn(runnable_sets()), set_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CpuLinearTest);

}  // namespace
}  // namespace ocelli::cpu::test
