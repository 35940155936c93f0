// Objectives against the reference, for every instruction set.
#include "backend/cpu/cpu_test_kit.h"

namespace ocelli::cpu::test {
namespace {

using CpuObjectiveTest = SetTest;

// A probability e^(x - most) / sum is off by a few roundings of x - most, which is below 2 * spread
// here, and of e^x.
double softmax_error(double spread) {
  return kRounding * (4 * spread + 16);
}

struct LogitsCase {
  Matrix logits;
  std::vector<int32_t> targets;

  LogitsCase(int64_t tokens, int64_t vocabulary, float spread, Random& random)
      : logits(tokens, vocabulary, 3, random) {
    for (int64_t t = 0; t < tokens; ++t) {
      for (int64_t v = 0; v < vocabulary; ++v) logits.at(t, v) *= spread;
      targets.push_back(t % 4 == 2 ? -1 : int32_t(random.below(vocabulary)));
    }
  }
};

TEST_P(CpuObjectiveTest, TokenLogProbs) {
  Random random;
  for (const int64_t vocabulary : {1, 2, 15, 17, 100, 2048, 4103}) {
    for (const float spread : {1.0f, 30.0f, 1000.0f}) {
      LogitsCase c(6, vocabulary, spread, random);
      std::vector<float> got(6, 9), want(6, 9);
      backend.token_log_probs(pool, c.logits.tensor(), c.targets, got.data());
      reference.token_log_probs(pool, c.logits.tensor(), c.targets, want.data());
      const double error = softmax_error(double(spread));
      for (size_t t = 0; t < 6; ++t) {
        EXPECT_NEAR(got[t], want[t], error + kRounding * std::fabs(double(want[t]))) << vocabulary;
      }
      EXPECT_EQ(got[2], 0);
      float loss = 0, loss_want = 0;
      backend.cross_entropy(pool, c.logits.tensor(), c.targets, 0.25f, Tensor::view(&loss, {1}));
      reference.cross_entropy(pool, c.logits.tensor(), c.targets, 0.25f,
                              Tensor::view(&loss_want, {1}));
      EXPECT_NEAR(loss, loss_want, 2 * error + kRounding * std::fabs(double(loss_want)));
    }
  }
}

TEST_P(CpuObjectiveTest, Gradients) {
  Random random(2);
  for (const int64_t vocabulary : {1, 3, 16, 100, 2051}) {
    for (const float spread : {1.0f, 30.0f}) {
      LogitsCase c(6, vocabulary, spread, random);
      Matrix got(6, vocabulary, 1, random);
      Matrix want = got;
      float dloss = 2;
      const auto bound = [&](int64_t, int64_t) {
        return softmax_error(double(spread)) + 8 * kRounding;
      };
      for (const auto& [b, to] :
           {std::pair<tensor::Backend*, Matrix*>{&backend, &got}, {&reference, &want}}) {
        b->cross_entropy_grad(pool, c.logits.tensor(), c.targets, 0.5f, Tensor::view(&dloss, {1}),
                              to->tensor());
      }
      expect_near(got, want, bound, "cross_entropy_grad");
      const std::vector<float> factors = random.numbers(6);
      for (const auto& [b, to] :
           {std::pair<tensor::Backend*, Matrix*>{&backend, &got}, {&reference, &want}}) {
        b->token_log_probs_grad(pool, c.logits.tensor(), c.targets, factors.data(), to->tensor());
      }
      expect_near(
          got, want, [&](int64_t r, int64_t i) { return 2 * bound(r, i); }, "log_probs_grad");
    }
  }
}

TEST_P(CpuObjectiveTest, TopKDivergence) {
  Random random(3);
  for (const int64_t vocabulary : {5, 100, 2051}) {
    for (const float temperature : {0.5f, 1.0f, 4.0f}) {
      LogitsCase c(6, vocabulary, 8, random);
      std::vector<int32_t> ids;
      std::vector<float> log_probs;
      for (int64_t t = 0; t < 6; ++t) {
        for (int64_t k = 0; k < 4; ++k) {
          // Different ones; the last is missing at times, and one has a probability of zero.
          ids.push_back(k == 3 && t % 2 == 0 ? -1 : int32_t((t * 7 + k) % vocabulary));
          log_probs.push_back(t == 3 && k == 0 ? -INFINITY : -2 - random.number());
        }
      }
      const tensor::TopKJob job{c.logits.tensor(), ids, log_probs, temperature, 0.3f};
      float loss = 0, want = 0, dloss = -1.5f;
      backend.top_k_divergence(pool, job, Tensor::view(&loss, {1}));
      reference.top_k_divergence(pool, job, Tensor::view(&want, {1}));
      const double error = softmax_error(8 / double(temperature)) * 2;
      EXPECT_NEAR(loss, want, error * 6 * 0.3 + kRounding * std::fabs(double(want)));
      Matrix got(6, vocabulary, 1, random);
      Matrix got_want = got;
      backend.top_k_divergence_grad(pool, job, Tensor::view(&dloss, {1}), got.tensor());
      reference.top_k_divergence_grad(pool, job, Tensor::view(&dloss, {1}), got_want.tensor());
      expect_near(
          got, got_want, [&](int64_t, int64_t) { return error + 8 * kRounding; }, "top k");
    }
  }
}

// Logits that are not numbers give a loss that is not one, and -infinity is a probability of zero.
TEST_P(CpuObjectiveTest, Extremes) {
  Random random(4);
  LogitsCase c(3, 70, 5, random);
  c.targets = {1, 1, 1};
  c.logits.at(0, 69) = NAN;
  c.logits.at(1, 3) = -INFINITY;
  c.logits.at(2, 0) = -1e30f;
  c.logits.at(2, 5) = 1e30f;
  std::vector<float> got(3), want(3);
  backend.token_log_probs(pool, c.logits.tensor(), c.targets, got.data());
  reference.token_log_probs(pool, c.logits.tensor(), c.targets, want.data());
  EXPECT_TRUE(std::isnan(got[0]));
  EXPECT_NEAR(got[1], want[1], softmax_error(5));
  EXPECT_FLOAT_EQ(got[2], -1e30f);
}

TEST_P(CpuObjectiveTest, SameBitsOnAnyNumberOfThreads) {
  Random random(5);
  LogitsCase c(40, GetParam().emulated ? 300 : 3000, 10, random);
  std::vector<Matrix> grads;
  std::vector<float> losses;
  for (const int threads : {1, 2, 3}) {
    ThreadPool some(threads);
    float dloss = 1;
    Matrix& to = grads.emplace_back(40, c.logits.width());
    backend.cross_entropy_grad(some, c.logits.tensor(), c.targets, 1, Tensor::view(&dloss, {1}),
                               to.tensor());
    backend.cross_entropy(some, c.logits.tensor(), c.targets, 1, Tensor::view(&dloss, {1}));
    losses.push_back(dloss);
    EXPECT_TRUE(to.same_bits(grads[0]));
    EXPECT_EQ(dloss, losses[0]);
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, CpuObjectiveTest, testing::ValuesIn(runnable_sets()), set_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CpuObjectiveTest);

}  // namespace
}  // namespace ocelli::cpu::test
