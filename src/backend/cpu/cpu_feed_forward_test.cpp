// Feed-forward networks in one call: the numbers of the calls that they stand for, bit for bit.
#include "backend/cpu/cpu_test_kit.h"
#include "backend/cpu/packed_weight.h"

namespace ocelli::cpu::test {
namespace {

class CpuFeedForwardTest : public SetTest {};

// A norm's parameters.
struct TestNorm {
  std::vector<float> weight, bias;
  tensor::Norm norm;

  TestNorm(int64_t width, bool centred, Random& random)
      : weight(random.numbers(width)), bias(random.numbers(width)) {
    norm = {weight.data(), centred ? bias.data() : nullptr, 1e-5f};
  }
  void apply(tensor::Backend& backend, ThreadPool& pool, const Tensor& x, const Tensor& y) const {
    norm.bias ? backend.layer_norm(pool, x, norm.weight, norm.bias, norm.eps, y)
              : backend.rms_norm(pool, x, norm.weight, norm.eps, y);
  }
};

// A network's matrices, and what it is run on.
struct Network {
  Both gate, up, down;
  std::vector<float> up_bias, down_bias;
  Matrix x, residual;
  bool gated;

  Network(tensor::Backend& backend, ThreadPool& pool, Encoding e, int64_t rows, int64_t width,
          int64_t hidden, bool gated_in, Random& random)
      : gate(backend, pool, e, hidden, width, random),
        up(backend, pool, Encoding::kQ8, hidden, width, random),
        down(backend, pool, e, width, hidden, random),
        up_bias(random.numbers(hidden)),
        down_bias(random.numbers(width)),
        x(rows, width, 3, random),
        residual(rows, width, 1, random),
        gated(gated_in) {}

  Activation activation() const { return gated ? Activation::kSilu : Activation::kGeluTanh; }

  tensor::FeedForwardJob job(const Tensor& y) {
    tensor::FeedForwardJob j;
    j.x = x.tensor();
    j.gate = gated ? &gate.packed : nullptr;
    j.up = &up.packed;
    j.down = &down.packed;
    j.y = y;
    j.up_bias = gated ? nullptr : up_bias.data();
    j.down_bias = down_bias.data();
    j.activation = activation();
    j.residual = residual.tensor();
    return j;
  }

  void step_by_step(tensor::Backend& backend, ThreadPool& pool, Matrix& y,
                    const TestNorm* norm = nullptr) {
    const int64_t rows = x.rows(), inner = up.packed.rows;
    Matrix hidden(rows, inner), gates(rows, inner), normalized(rows, up.packed.cols);
    if (norm) norm->apply(backend, pool, x.tensor(), normalized.tensor());
    const Tensor in = norm ? normalized.tensor() : x.tensor();
    tensor::LinearJob first{in, &up.packed, hidden.tensor()};
    if (!gated) {
      first.bias = up_bias.data();
      first.activation = activation();
    }
    backend.linear(pool, {&first, 1});
    if (gated) {
      const tensor::LinearJob other{in, &gate.packed, gates.tensor()};
      backend.linear(pool, {&other, 1});
      backend.silu_mul(pool, gates.tensor(), hidden.tensor(), hidden.tensor());
    }
    tensor::LinearJob second{hidden.tensor(), &down.packed, y.tensor(), down_bias.data()};
    second.residual = residual.tensor();
    backend.linear(pool, {&second, 1});
  }
};

struct Shape {
  int64_t rows, width, hidden;
};
// Groups in part, pieces in part, one piece of many.
constexpr Shape kShapes[] = {
    {5, 40, 7}, {6, 128, 128}, {37, 96, 300}, {230, 64, 520}, {9, 300, 1100}};

TEST_P(CpuFeedForwardTest, EqualsItsSteps) {
  Random random;
  size_t index = 0;
  for (const Shape& s : kShapes) {
    for (const bool gated : {false, true}) {
      if (skips(index++)) continue;
      Network net(backend, pool, index % 3 ? Encoding::kQ4 : Encoding::kQ8, s.rows, s.width,
                  s.hidden, gated, random);
      Matrix want(s.rows, s.width, 5);
      net.step_by_step(backend, pool, want);
      for (const int threads : {1, 3}) {
        ThreadPool some(threads);
        Matrix got(s.rows, s.width, 5);
        ASSERT_TRUE(backend.feed_forward(some, net.job(got.tensor())));
        EXPECT_TRUE(got.same_bits(want))
            << s.rows << " x " << s.width << " x " << s.hidden << (gated ? ", gated" : "");
      }
    }
  }
}

// Rows that go through a norm on their way: of networks and of several products of one input.
TEST_P(CpuFeedForwardTest, NormsOnTheWay) {
  Random random(5);
  size_t index = 0;
  for (const Shape& s : kShapes) {
    for (const bool centred : {false, true}) {
      if (skips(index++)) continue;
      Network net(backend, pool, Encoding::kQ8, s.rows, s.width, s.hidden, centred, random);
      const TestNorm norm(s.width, centred, random);
      Matrix want(s.rows, s.width, 5), got(s.rows, s.width, 5);
      net.step_by_step(backend, pool, want, &norm);
      tensor::FeedForwardJob job = net.job(got.tensor());
      job.norm = norm.norm;
      ASSERT_TRUE(backend.takes_norm(net.up.packed));
      ASSERT_TRUE(backend.feed_forward(pool, job));
      EXPECT_TRUE(got.same_bits(want)) << s.rows << " x " << s.width << " x " << s.hidden;

      Matrix normalized(s.rows, s.width), plain(s.rows, s.hidden), one(s.rows, s.hidden),
          two(s.rows, s.hidden), bare(s.rows, s.hidden);
      norm.apply(backend, pool, net.x.tensor(), normalized.tensor());
      const tensor::LinearJob apart{normalized.tensor(), &net.up.packed, plain.tensor()};
      backend.linear(pool, {&apart, 1});
      const tensor::LinearJob also{net.x.tensor(), &net.up.packed, bare.tensor()};
      backend.linear(pool, {&also, 1});
      // The same rows without a norm, in the same call, are other rows.
      Matrix untouched(s.rows, s.hidden);
      std::array<tensor::LinearJob, 3> jobs = {
          tensor::LinearJob{net.x.tensor(), &net.up.packed, one.tensor()},
          tensor::LinearJob{net.x.tensor(), &net.up.packed, untouched.tensor()},
          tensor::LinearJob{net.x.tensor(), &net.up.packed, two.tensor()}};
      jobs[0].norm = jobs[2].norm = norm.norm;
      backend.linear(pool, jobs);
      EXPECT_TRUE(one.same_bits(plain));
      EXPECT_TRUE(two.same_bits(plain));
      EXPECT_TRUE(untouched.same_bits(bare));
    }
  }
  const Both weight(backend, pool, Encoding::kQ8, 8, 64, random);
  EXPECT_FALSE(backend.takes_norm(weight.plain.weight));
}

TEST_P(CpuFeedForwardTest, MoreRowsThanAreKept) {
  if (GetParam().emulated) return;
  Random random(2);
  const int64_t rows = 500, width = 8, hidden = 1 << 14;
  ASSERT_GT(rows * record_shape(hidden, 1).bytes, kRecordBytes);
  Network net(backend, pool, Encoding::kQ8, rows, width, hidden, false, random);
  Matrix want(rows, width), got(rows, width);
  net.step_by_step(backend, pool, want);
  ASSERT_TRUE(backend.feed_forward(pool, net.job(got.tensor())));
  EXPECT_TRUE(got.same_bits(want));
}

// The result may take the residual's place.
TEST_P(CpuFeedForwardTest, InPlace) {
  Random random(3);
  Network net(backend, pool, Encoding::kQ8, 7, 64, 130, true, random);
  Matrix want(7, 64, 1);
  net.step_by_step(backend, pool, want);
  ASSERT_TRUE(backend.feed_forward(pool, net.job(net.residual.tensor())));
  EXPECT_TRUE(net.residual.same_bits(want));
}

// Few rows and plain weights are for the steps.
TEST_P(CpuFeedForwardTest, WhatItLeaves) {
  Random random(4);
  Matrix y(kFewRows, 32);
  Network few(backend, pool, Encoding::kQ8, kFewRows, 32, 64, true, random);
  EXPECT_FALSE(backend.feed_forward(pool, few.job(y.tensor())));
  Matrix more(kFewRows + 1, 32);
  Network plain(backend, pool, Encoding::kQ8, kFewRows + 1, 32, 64, true, random);
  tensor::FeedForwardJob job = plain.job(more.tensor());
  job.down = &plain.down.plain.weight;
  EXPECT_FALSE(backend.feed_forward(pool, job));
  EXPECT_FALSE(reference.feed_forward(pool, plain.job(more.tensor())));
}

INSTANTIATE_TEST_SUITE_P(Sets, CpuFeedForwardTest, testing::ValuesIn(runnable_sets()), set_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CpuFeedForwardTest);

}  // namespace
}  // namespace ocelli::cpu::test
