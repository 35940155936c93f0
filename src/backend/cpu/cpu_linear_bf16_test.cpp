// Products with weights in bfloat16 beside many rows: what is rounded, and on what a result
// depends. Sets without kernels for it compute in float32.
#include <algorithm>
#include <limits>
#include <memory>

#include "backend/cpu/cpu_test_kit.h"

namespace ocelli::cpu::test {
namespace {

using CpuLinearBF16Test = SetTest;

struct Product {
  Matrix x, residual;
  std::vector<float> bias;
  StoredWeight w;
  tensor::LinearJob job;

  Product(int64_t t, int64_t k, int64_t n, Random& random, Encoding e = Encoding::kBF16)
      : x(t, k, 3, random),
        residual(t, n, 5, random),
        bias(random.numbers(n)),
        w(e, n, k, random.numbers(n * k)) {
    job.w = &w.weight;
  }
  Matrix run(tensor::Backend& on, ThreadPool& pool, bool exact = false) {
    Matrix y(x.rows(), w.weight.rows, 4);
    job.x = x.tensor();
    job.y = y.tensor();
    job.exact = exact;
    on.linear(pool, {&job, 1});
    return y;
  }
};

// Beside rounded rows what is left is float32: a chain of up to 256 pairs, each with a rounding of
// its own, and one step for every such chain. Numbers are below 1, so that sum |x w| is below k.
double sum_bound(int64_t k) {
  return kRounding * double(k + 2) *
         (2 * double(std::min<int64_t>(k / 2, 256)) + double(k) / 512 + 8);
}

TEST_P(CpuLinearBF16Test, IsNearTheReference) {
  struct Shape {
    int64_t t, k, n;
  };
  constexpr Shape kShapes[] = {{64, 2, 1},     {64, 1024, 33}, {70, 768, 48},  {65, 514, 100},
                               {81, 34, 31},   {64, 30, 65},   {90, 2050, 20}, {200, 256, 300},
                               {64, 4304, 17}, {1030, 64, 40}};
  const bool in_bf16 = GetParam().kernels->linear_bf16 != nullptr;
  Random random;
  size_t index = 0;
  for (const Shape& s : kShapes) {
    Product p(s.t, s.k, s.n, random);
    if (skips(index++)) continue;
    const std::string what =
        std::to_string(s.t) + " x " + std::to_string(s.k) + " x " + std::to_string(s.n);
    if (index % 2 == 0) p.job.bias = p.bias.data();
    if (index % 3 == 0) p.job.residual = p.residual.tensor();
    if (index % 4 == 0) p.job.activation = tensor::Activation::kGeluTanh;
    const Matrix got = p.run(backend, pool);
    EXPECT_EQ(got.same_bits(p.run(backend, pool, true)), !in_bf16) << what;
    for (const int threads : {1, 3}) {
      ThreadPool some(threads);
      EXPECT_TRUE(got.same_bits(p.run(backend, some))) << what;
    }
    if (!in_bf16) continue;
    for (int64_t r = 0; r < s.t; ++r) {
      for (int64_t i = 0; i < s.k; ++i) p.x.at(r, i) = bf16(p.x.at(r, i));
    }
    const double bound = 1.2 * sum_bound(s.k) + 8 * kRounding;
    expect_near(
        got, p.run(reference, pool, true), [=](int64_t, int64_t) { return bound; }, what);
    if (HasFatalFailure()) return;
  }
}

// Few rows, as decoding has them, rows of an odd width, other weights, and whoever asks for it.
TEST_P(CpuLinearBF16Test, OrInFloat32) {
  Random random(2);
  for (const auto& [t, k, e] : {std::tuple<int64_t, int64_t, Encoding>{63, 130, Encoding::kBF16},
                                {64, 131, Encoding::kBF16},
                                {64, 130, Encoding::kF32},
                                {64, 130, Encoding::kF16}}) {
    Product p(t, k, 20, random, e);
    EXPECT_TRUE(p.run(backend, pool).same_bits(p.run(backend, pool, true))) << t << ' ' << k;
  }
}

// A row's result depends on that row only, so that a prompt may be computed in parts; what is no
// number stays in its row.
TEST_P(CpuLinearBF16Test, RowsByThemselves) {
  Random random(3);
  Product all(300, 520, 70, random);
  all.x.at(200, 519) = std::numeric_limits<float>::quiet_NaN();
  all.x.at(201, 7) = std::numeric_limits<float>::infinity();
  const Matrix want = all.run(backend, pool);
  for (const int64_t first : {0, 139, 236}) {
    Matrix y(64, 70, 4);
    tensor::LinearJob part = all.job;
    part.x = all.x.tensor().slice(0, first, 64);
    part.y = y.tensor();
    backend.linear(pool, {&part, 1});
    for (int64_t t = 0; t < 64; ++t) {
      for (int64_t i = 0; i < 70; ++i) {
        const float a = y.at(t, i), b = want.at(first + t, i);
        ASSERT_EQ(std::memcmp(&a, &b, sizeof(a)), 0) << first << ' ' << t << ' ' << i;
        ASSERT_EQ(std::isfinite(b), first + t != 200 && first + t != 201);
      }
    }
  }
}

// Jobs of one call with the same rows, some rounded and some not.
TEST_P(CpuLinearBF16Test, BesideOtherWeights) {
  Random random(4);
  Matrix x(100, 300, 0, random);
  std::vector<std::unique_ptr<StoredWeight>> weights;
  std::vector<Matrix> together, alone;
  std::vector<tensor::LinearJob> jobs;
  for (const Encoding e : {Encoding::kBF16, Encoding::kF32, Encoding::kBF16, Encoding::kF16}) {
    weights.push_back(std::make_unique<StoredWeight>(e, 40, 300, random.numbers(40 * 300)));
    together.emplace_back(100, 40);
    alone.emplace_back(100, 40);
  }
  for (size_t i = 0; i < weights.size(); ++i) {
    tensor::LinearJob job;
    job.x = x.tensor();
    job.w = &weights[i]->weight;
    job.y = alone[i].tensor();
    backend.linear(pool, {&job, 1});
    job.y = together[i].tensor();
    jobs.push_back(job);
  }
  for (const int threads : {1, 2}) {
    ThreadPool some(threads);
    backend.linear(some, jobs);
    for (size_t i = 0; i < weights.size(); ++i) EXPECT_TRUE(together[i].same_bits(alone[i])) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, CpuLinearBF16Test, testing::ValuesIn(runnable_sets()), set_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CpuLinearBF16Test);

}  // namespace
}  // namespace ocelli::cpu::test
