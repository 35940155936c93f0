// Packed q8 and q4 weights: the numbers of encoding.h bit for bit, on every instruction set that
// the CPU has.
#include "backend/cpu/cpu_test_kit.h"
#include "backend/cpu/packed_weight.h"

namespace ocelli::cpu::test {
namespace {

class CpuPackedTest : public SetTest {
 protected:
  // SIMDe rounds its fma twice; everything else is whole numbers there as well.
  void expect_same(const Matrix& got, const Matrix& want, int64_t k, const std::string& what) {
    if (!GetParam().emulated) {
      EXPECT_TRUE(got.same_bits(want)) << what << ": " << got.at(0, 0) << " for " << want.at(0, 0);
      return;
    }
    const double step = 4 * kRounding * (double(k) / 128 + 2);
    expect_near(
        got, want,
        [&](int64_t r, int64_t i) {
          return step * (std::sqrt(double(k)) + std::fabs(double(want.at(r, i))));
        },
        what);
  }
};
using encoding::Layout;

constexpr Encoding kPackable[] = {Encoding::kQ8, Encoding::kQ4};

tensor::LinearJob job_of(Matrix& x, const Weight& w, Matrix& y) {
  tensor::LinearJob job;
  job.x = x.tensor();
  job.w = &w;
  job.y = y.tensor();
  return job;
}

struct Shape {
  int64_t t, k, n;
};
// Few and many rows; columns within a block, a group, and beyond a panel; strips in part.
constexpr Shape kShapes[] = {{1, 1, 1},     {1, 576, 50},  {2, 33, 7},     {3, 960, 17},
                             {4, 1152, 64}, {5, 128, 33},  {6, 129, 64},   {7, 300, 65},
                             {13, 768, 80}, {2, 4304, 80}, {9, 4304, 34},  {230, 40, 37},
                             {4, 128, 530}, {17, 96, 275}, {43, 2100, 129}};

TEST_P(CpuPackedTest, EqualsTheDefinition) {
  Random random;
  size_t index = 0;
  for (const Shape& s : kShapes) {
    for (const Encoding e : kPackable) {
      if (skips(index++ / 2)) continue;
      const Both w(backend, pool, e, s.n, s.k, random);
      Matrix x(s.t, s.k, 3, random), got(s.t, s.n, 5), plain(s.t, s.n, 5), want(s.t, s.n, 5);
      Matrix residual(s.t, s.n, 2, random);
      const std::vector<float> bias = random.numbers(s.n);
      const auto run = [&](tensor::Backend& on, const Weight& weight, Matrix& y) {
        tensor::LinearJob job = job_of(x, weight, y);
        job.bias = bias.data();
        job.residual = residual.tensor();
        on.linear(pool, {&job, 1});
      };
      run(reference, w.plain.weight, want);
      run(backend, w.packed, got);
      const std::string what = std::string(encoding::name(e)) + " T " + std::to_string(s.t) +
                               " K " + std::to_string(s.k) + " N " + std::to_string(s.n);
      expect_same(got, want, s.k, what);
      run(backend, w.plain.weight, plain);
      expect_same(plain, want, s.k, what + ", not packed");
    }
  }
}

// Large and tiny magnitudes, zeros, codes at both ends.
TEST_P(CpuPackedTest, ExtremeNumbers) {
  const int64_t k = 200, n = 20;
  for (const Encoding e : kPackable) {
    Random random(3);
    Both w(backend, pool, e, n, k, random);
    Matrix x(6, k), got(6, n), want(6, n);
    for (int64_t t = 0; t < 6; ++t) {
      for (int64_t i = 0; i < k; ++i) {
        const float sign = (i + t) % 2 ? -1.0f : 1.0f;
        x.at(t, i) = t == 0   ? 0.0f
                     : t == 1 ? 1e30f * sign
                     : t == 2 ? 1e-38f * sign
                     : t == 3 ? 1.0f
                     : t == 4 ? -1.0f
                              : (i < 128 ? 0.0f : random.number());
      }
    }
    tensor::LinearJob job = job_of(x, w.plain.weight, want);
    reference.linear(pool, {&job, 1});
    job = job_of(x, w.packed, got);
    backend.linear(pool, {&job, 1});
    if (GetParam().emulated) continue;  // their sums are of other sizes than expect_same() assumes
    EXPECT_TRUE(got.same_bits(want)) << encoding::name(e);
  }
}

// Jobs that share x or not, packed or not, whatever the threads; more of them than go together.
TEST_P(CpuPackedTest, ManyJobs) {
  Random random(5);
  for (const int64_t t : {2, 37}) {
    Matrix x(t, 320, 0, random), other(t, 64, 1, random);
    std::vector<std::unique_ptr<Both>> weights;
    std::vector<tensor::LinearJob> jobs;
    std::vector<Matrix> got, want;
    for (int64_t j = 0; j < 10; ++j) {
      const int64_t n = 1 + 31 * j, k = j % 3 == 1 ? 64 : 320;
      weights.push_back(std::make_unique<Both>(backend, pool, kPackable[j % 2], n, k, random));
      got.emplace_back(t, n);
      want.emplace_back(t, n);
    }
    for (size_t j = 0; j < weights.size(); ++j) {
      Matrix& in = j % 3 == 1 ? other : x;
      tensor::LinearJob job = job_of(in, weights[j]->plain.weight, want[j]);
      reference.linear(pool, {&job, 1});
      jobs.push_back(
          job_of(in, j % 4 == 3 ? weights[j]->plain.weight : weights[j]->packed, got[j]));
    }
    for (const int threads : {1, 3}) {
      ThreadPool some(threads);
      backend.linear(some, jobs);
      for (size_t j = 0; j < jobs.size(); ++j) {
        expect_same(got[j], want[j], 320, "job " + std::to_string(j));
        got[j] = Matrix(t, got[j].width());
        jobs[j].y = got[j].tensor();
      }
    }
  }
}

// More rows than are kept in 8 bits at a time.
TEST_P(CpuPackedTest, RowsInParts) {
  if (GetParam().emulated) return;
  Random random(6);
  const int64_t k = 1 << 14, t = 900;
  const Both w(backend, pool, Encoding::kQ4, 3, k, random);
  Matrix x(t, k, 0, random), got(t, 3), want(t, 3);
  ASSERT_GT(t * record_shape(k, 1).bytes, kRecordBytes);
  tensor::LinearJob job = job_of(x, w.plain.weight, want);
  reference.linear(pool, {&job, 1});
  job = job_of(x, w.packed, got);
  backend.linear(pool, {&job, 1});
  EXPECT_TRUE(got.same_bits(want));
}

TEST_P(CpuPackedTest, RowsAreReadBack) {
  Random random(7);
  for (const Encoding e : kPackable) {
    for (const int64_t k : {1, 33, 128, 300}) {
      const int64_t n = 35;
      const Both w(backend, pool, e, n, k, random);
      std::vector<int32_t> ids;
      for (int32_t i = 0; i < n; ++i) ids.push_back(int32_t(i * 11 % n));
      Matrix got(n, k, 2), want(n, k, 2);
      reference.embedding(pool, ids, w.plain.weight, want.tensor());
      backend.embedding(pool, ids, w.packed, got.tensor());
      EXPECT_TRUE(got.same_bits(want)) << encoding::name(e) << ' ' << k;
    }
  }
}

// What takes float32 weights decodes a part of a packed one at a time.
TEST_P(CpuPackedTest, ExactProductsAndGradients) {
  Random random(8);
  const int64_t k = 8300, n = 70, t = 3;  // two parts of 64 rows
  for (const Encoding e : kPackable) {
    const Both w(backend, pool, e, n, k, random);
    Matrix x(t, k, 0, random), dy(t, n, 1, random);
    Matrix got(t, n, 3), want(t, n, 3), dx(t, k, 2, random);
    Matrix dx_want = dx;
    const auto run = [&](const Weight& weight, Matrix& y) {
      tensor::LinearJob job = job_of(x, weight, y);
      job.exact = true;
      backend.linear(pool, {&job, 1});
    };
    run(w.plain.weight, want);
    run(w.packed, got);
    expect_near(
        got, want, [&](int64_t, int64_t) { return 1e-5 * double(k); }, "exact");
    backend.linear_grad_input(pool, dy.tensor(), w.plain.weight, dx_want.tensor());
    backend.linear_grad_input(pool, dy.tensor(), w.packed, dx.tensor());
    expect_near(
        dx, dx_want, [&](int64_t, int64_t) { return 1e-6 * double(n); }, "dx");
  }
}

TEST(PackedWeight, OnlyQ8AndQ4) {
  CpuBackend backend(*runnable_sets().front().kernels);
  for (const Encoding e : kEncodings) {
    const Weight w{e, Layout::kPlain, 20, 300, nullptr};
    const bool packable = e == Encoding::kQ8 || e == Encoding::kQ4;
    EXPECT_EQ(backend.packed_bytes(w) > 0, packable) << encoding::name(e);
  }
  EXPECT_EQ(backend.packed_bytes({Encoding::kQ8, Layout::kPlain, 17, 33, nullptr}),
            2 * (64 + 2 * 512));
  EXPECT_EQ(backend.packed_bytes({Encoding::kQ4, Layout::kPlain, 17, 160, nullptr}),
            2 * (64 + 2 * 64 + 5 * 256));
}

INSTANTIATE_TEST_SUITE_P(Sets, CpuPackedTest, testing::ValuesIn(runnable_sets()), set_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CpuPackedTest);

}  // namespace
}  // namespace ocelli::cpu::test
