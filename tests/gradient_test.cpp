// Gradients of every op against finite differences, on the reference backend and on the kernels.
//
// The loss is sum_i r_i y_i with random r, in float64. With the five-point formula
//   f'(x) ~ (8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / 12h
// and h = 2^-5 the formula itself is off by h^4/30 f^(5) ~ 3e-8 f^(5). Inputs are multiples of
// 2^-10, so x + h is exact; what remains is the rounding of float32 results: each y_i is off by at
// most 2^-24 |y_i|, at random, and the formula multiplies that by 18/12h. See tolerance().
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <regex>
#include <set>

#include "backend/cpu/cpu_backend.h"
#include "backend/reference/reference_backend.h"
#include "gradient_trial.h"
#include "ops/activation.h"
#include "ops/add.h"
#include "ops/feed_forward.h"
#include "ops/linear.h"
#include "ops/no_gradient.h"
#include "ops/norm.h"
#include "ops/patches.h"
#include "ops/recompute.h"
#include "ops/rope.h"
#include "ops/rows.h"

namespace ocelli::gradient_test {
namespace {

constexpr double kStep = 0x1p-5;
constexpr double kBf16Step = 0x1p-4;  // bf16 leaves are multiples of it, so that w + 2h is exact
constexpr double kEps = 0x1p-24;

// A place to run ops: on the reference, or on the best kernels that run here.
struct Bench {
  explicit Bench(bool kernels = false) {
    if (kernels) backend = cpu::make_cpu_backend().value();
  }
  tensor::Arena arena = *tensor::Arena::create(int64_t{1} << 28);
  base::ThreadPool pool{1};
  std::unique_ptr<tensor::Backend> backend = std::make_unique<reference::ReferenceBackend>();
  tensor::Tape tape;

  Context run() { return {*backend, arena, pool, nullptr, {}, true}; }
  Context train() { return {*backend, arena, pool, &tape, {}, true}; }
};

// The weights r of the loss.
std::vector<float> loss_weights(int64_t count) {
  std::mt19937 random(7);
  std::vector<float> r(static_cast<size_t>(count));
  for (float& v : r) v = float(int(random() % 2049) - 1024) / 1024;
  return r;
}

struct Loss {
  double value = 0;
  double noise = 0;  // spread of its rounding errors
};

Loss loss_of(const Tensor& y) {
  const std::vector<float> r = loss_weights(y.count());
  Loss loss;
  for (size_t i = 0; i < r.size(); ++i) {
    const double part = double(r[i]) * y.f32()[i];
    loss.value += part;
    loss.noise += part * part;
  }
  loss.noise = kEps * std::sqrt(loss.noise);
  return loss;
}

double loss_at(Bench& bench, const Forward& forward) {
  const tensor::Scratch scratch(bench.arena);
  Context c = bench.run();
  return loss_of(forward(c)).value;
}

// Five times the spread of what rounding does to the formula; twice more for the roundings between
// the steps of an op. And the gradient itself is float32, gathered on top of kGradStart.
double tolerance(double noise, double step, double largest) {
  return 2 * 5 * noise * (18 / (12 * step)) + 16 * kEps * (largest + kGradStart);
}

double by_differences(Bench& bench, const Forward& forward, Leaf& leaf, size_t i, double step) {
  const float keep = leaf.values[i];
  const auto at = [&](double steps) {
    leaf.set(i, float(keep + steps * step));
    return loss_at(bench, forward);
  };
  const double slope = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step);
  leaf.set(i, keep);
  return slope;
}

// Runs forward and backward; gradients are in the trial's leaves. Returns the loss.
Loss backward(Bench& bench, const Forward& forward) {
  Context c = bench.train();
  const Tensor y = forward(c);
  const Loss loss = loss_of(y);
  if (y.grad) {
    const std::vector<float> r = loss_weights(y.count());
    std::copy(r.begin(), r.end(), tensor::grad_of(c, y));
  }
  tensor::run_backward(c);
  return loss;
}

double largest(const Leaf& leaf) {
  double most = 0;
  for (const float g : leaf.grads) most = std::max(most, std::abs(double(g) - kGradStart));
  return most;
}

// How well gradients agree with differences: the worst number, as a part of the largest of its leaf
// and of what is allowed.
struct Agreement {
  double of_largest = 0, of_allowed = 0;
  size_t leaf = 0, number = 0;
};

Agreement compare(Bench& bench, Trial& trial, const Forward& forward) {
  const Loss loss = backward(bench, forward);
  Agreement worst;
  for (size_t l = 0; l < trial.leaves().size(); ++l) {
    Leaf& leaf = trial.leaves()[l];
    const double step = leaf.encoding == Encoding::kBF16 ? kBf16Step : kStep;
    const double most = largest(leaf), allowed = tolerance(loss.noise, step, most);
    for (size_t i = 0; i < leaf.values.size(); ++i) {
      const double got = double(leaf.grads[i]) - kGradStart;
      const double off = std::abs(got - by_differences(bench, forward, leaf, i, step));
      if (most > 0) worst.of_largest = std::max(worst.of_largest, off / most);
      if (!(off <= worst.of_allowed * allowed)) {
        worst.of_allowed = off / allowed;
        worst.leaf = l;
        worst.number = i;
      }
    }
  }
  return worst;
}

struct Parameter {
  const Case* test;
  bool views;
  bool kernels;
};

class OpGradient : public testing::TestWithParam<Parameter> {};

TEST_P(OpGradient, IsTheSlope) {
  const auto& [test, views, kernels] = GetParam();
  Bench bench(kernels);
  Trial trial({views, -1});
  const Agreement a = compare(bench, trial, test->make(trial));
  EXPECT_LE(a.of_allowed, 1) << "leaf " << a.leaf << ", number " << a.number;
  std::printf("%-14s %-28s %-6s %-8s worst %.1e of the largest, %.2f of the allowed\n",
              test->op.c_str(), test->variant.c_str(), views ? "views" : "",
              kernels ? "kernels" : "", a.of_largest, a.of_allowed);
}

// The same numbers with and without a tape, bit for bit.
TEST_P(OpGradient, TapeDoesNotChangeTheResult) {
  const auto& [test, views, kernels] = GetParam();
  Bench bench(kernels);
  Trial trial({views, -1});
  const Forward forward = test->make(trial);
  const Loss taped = backward(bench, forward);
  EXPECT_EQ(taped.value, loss_at(bench, forward));
}

// Each leaf asked for alone gives what it gives among the others, bit for bit.
TEST_P(OpGradient, OneLeafAlone) {
  const auto& [test, views, kernels] = GetParam();
  Bench bench(kernels);
  Trial all({views, -1});
  backward(bench, test->make(all));
  for (size_t one = 0; one < all.leaves().size(); ++one) {
    Trial alone({views, int(one)});
    backward(bench, test->make(alone));
    for (size_t leaf = 0; leaf < all.leaves().size(); ++leaf) {
      if (leaf == one) {
        EXPECT_EQ(alone.leaves()[leaf].grads, all.leaves()[leaf].grads) << "leaf " << leaf;
      } else {
        EXPECT_THAT(alone.leaves()[leaf].grads, testing::Each(kGradStart))
            << "not asked for: leaf " << leaf;
      }
    }
  }
}

std::vector<Parameter> parameters() {
  std::vector<Parameter> all;
  for (const Case& test : cases()) {
    for (const bool views : {false, true}) {
      for (const bool kernels : {false, true}) all.push_back({&test, views, kernels});
    }
  }
  return all;
}

std::string name_of(const testing::TestParamInfo<Parameter>& info) {
  const std::string name = info.param.test->op + "_" + info.param.test->variant;
  return std::regex_replace(name, std::regex("[^A-Za-z0-9]+"), "_") +
         (info.param.views ? "_views" : "") + (info.param.kernels ? "_kernels" : "");
}

INSTANTIATE_TEST_SUITE_P(Ops, OpGradient, testing::ValuesIn(parameters()), name_of);

// The check would see a gradient that is off by a thousandth, or missing in one place.
TEST(Gradient, WrongOnesAreNoticed) {
  for (const float factor : {1.0f, 1.001f, 0.999f}) {
    for (const bool missing : {false, true}) {
      Bench bench;
      Trial trial({});
      const Tensor x = trial.leaf({4, 5}, 3);
      const Forward wrong = [=](Context& c) {
        const Tensor y = ops::activation(c, tensor::Activation::kGeluTanh, x);
        if (!c.tape) return y;
        c.tape->push_back([=](Context& b) {  // runs before the op's own
          float* dy = tensor::grad_of(b, y);
          for (int64_t i = 0; i < y.count(); ++i) dy[i] *= missing && i == 7 ? 0 : factor;
        });
        return y;
      };
      const Agreement a = compare(bench, trial, wrong);
      EXPECT_EQ(a.of_allowed > 1, missing || factor != 1)
          << factor << " " << missing << " " << a.of_allowed;
    }
  }
}

// The functions that the headers of the room declare.
std::set<std::string> declared_ops() {
  std::set<std::string> names;
  const std::regex declaration("^(?:tensor::)?(?:Tensor|void) (\\w+)\\(");
  for (const auto& entry : std::filesystem::directory_iterator(OCELLI_SOURCE_DIR "/src/ops")) {
    if (entry.path().extension() != ".h" || entry.path().filename() == "detail.h") continue;
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      std::smatch match;
      if (std::regex_search(line, match, declaration)) names.insert(match[1]);
    }
  }
  return names;
}

TEST(Ops, EachHasAGradientCaseOrIsListedWithout) {
  std::set<std::string> known;
  for (const Case& test : cases()) known.insert(test.op);
  for (const std::string_view name : ops::kNoGradient) {
    EXPECT_TRUE(known.insert(std::string(name)).second)
        << name << " is checked and listed as without";
  }
  EXPECT_EQ(declared_ops(), known);
}

TEST(Ops, ListedAsWithoutGradientHaveNone) {
  Bench bench;
  Context c = bench.train();
  Trial trial({});
  const Tensor pixels = trial.data({1, 3, 4}).reshape({1, 1, 3, 4});
  EXPECT_FALSE(ops::patches(c, pixels, 2).grad);
  const std::vector<int32_t> positions = {0, 1};
  const std::vector<float> inv_freq = {1, 0.5f};
  EXPECT_FALSE(ops::rope_table(c, positions, inv_freq, 1).grad);
  const Weight up = trial.frozen(6, 4, Encoding::kQ8), down = trial.frozen(4, 6, Encoding::kQ8);
  EXPECT_FALSE(
      ops::feed_forward(c, trial.leaf({2, 4}), {trial.leaf({4})}, {nullptr, &up, &down}, {}));
  EXPECT_TRUE(bench.tape.empty());
  EXPECT_DEATH(ops::store_rows(c, trial.leaf({2, 3}), positions, trial.data({4, 3})),
               "without a cache");
}

// A stack of blocks: the same gradients, and the memory of one block instead of all.
TEST(Recompute, SameGradientsInLessMemory) {
  constexpr int kBlocks = 8;
  std::vector<float> kept_grads;
  int64_t peak[2];
  for (const bool recompute : {false, true}) {
    Bench bench;
    Trial trial({});
    Tensor x = trial.leaf({16, 32});
    const Tensor norm = trial.leaf({32});
    const Weight up = trial.trainable(64, 32, Encoding::kF32),
                 down = trial.trainable(32, 64, Encoding::kF32);
    const auto block = [=](Context& c, const Tensor& in) {
      const Tensor h = ops::linear(c, ops::rms_norm(c, in, norm, 0.1f), up);
      return ops::linear(c, ops::activation(c, tensor::Activation::kSilu, h), down, {{}, {}, in});
    };
    backward(bench, [&](Context& c) {
      Tensor y = x;
      for (int i = 0; i < kBlocks; ++i) y = recompute ? ops::recompute(c, y, block) : block(c, y);
      return y;
    });
    std::vector<float> grads;
    for (const Leaf& leaf : trial.leaves())
      grads.insert(grads.end(), leaf.grads.begin(), leaf.grads.end());
    if (recompute) {
      EXPECT_EQ(grads, kept_grads);
    } else {
      kept_grads = grads;
    }
    peak[recompute] = bench.arena.peak();
  }
  std::printf("arena with %d blocks: %ld KiB kept, %ld KiB recomputed\n", kBlocks,
              long(peak[0] >> 10), long(peak[1] >> 10));
  EXPECT_LT(2 * peak[1], peak[0]);
}

// A gradient of a tensor from outside, first used inside of a block, would be lost with the block.
TEST(Recompute, RefusesGradientsThatWouldBeLost) {
  Bench bench;
  Context c = bench.train();
  Trial trial({});
  const Tensor x = trial.leaf({4, 6});
  const Tensor outside = ops::activation(c, tensor::Activation::kSilu, trial.leaf({4, 6}));
  const Tensor y = ops::recompute(
      c, x, [=](Context& inner, const Tensor& in) { return ops::add(inner, in, outside); });
  tensor::grad_of(c, y);
  EXPECT_DEATH(tensor::run_backward(c), "outlives a recomputed block");
}

// Dropout must repeat: a block computed again is given the same key.
TEST(Recompute, BlocksSeeTheSameKeyTwice) {
  Bench bench;
  Context c = bench.train();
  c.rng = {5, 6, 7, 8};
  Trial trial({});
  std::vector<std::array<uint64_t, 4>> keys;
  const auto block = [&keys](Context& inner, const Tensor& in) {
    keys.push_back({inner.rng.seed, inner.rng.step, inner.rng.layer, inner.rng.op});
    EXPECT_TRUE(inner.exact);
    return ops::activation(inner, tensor::Activation::kSilu, in);
  };
  const Tensor y = ops::recompute(c, trial.leaf({4, 6}), block);
  c.rng = {};
  tensor::grad_of(c, y);
  tensor::run_backward(c);
  EXPECT_THAT(keys, testing::Each(testing::ElementsAre(5, 6, 7, 8)));
  EXPECT_EQ(keys.size(), 2u);
}

}  // namespace
}  // namespace ocelli::gradient_test
