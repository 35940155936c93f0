// Linear, groups and adapters on the reference backend.
#include "nn/linear.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "backend/reference/reference_backend.h"

namespace ocelli::nn {
namespace {

using encoding::Encoding;

class Layers : public testing::Test {
 protected:
  Context run() { return {backend_, arena_, pool_, nullptr, {}, true}; }
  Context train() { return {backend_, arena_, pool_, &tape_, {}, true}; }

  // Multiples of 2^-6 in [-1, 1].
  std::vector<float> numbers(int64_t count) {
    std::vector<float> out(static_cast<size_t>(count));
    for (float& x : out) x = float(int(random_() % 129) - 64) / 64;
    return out;
  }
  Tensor tensor(std::initializer_list<int64_t> shape) {
    Tensor t = Tensor::view(nullptr, shape);
    t.data = kept_.emplace_back(std::make_unique<std::vector<float>>(numbers(t.count())))->data();
    return t;
  }
  Weight weight(int64_t rows, int64_t cols) {
    const Tensor t = tensor({rows, cols});
    return {Encoding::kF32, {}, rows, cols, static_cast<const std::byte*>(t.data)};
  }

  tensor::Arena arena_ = *tensor::Arena::create(int64_t{1} << 26);
  base::ThreadPool pool_{2};
  reference::ReferenceBackend backend_;
  tensor::Tape tape_;
  std::mt19937 random_{3};
  std::vector<std::unique_ptr<std::vector<float>>> kept_;
};

double at(const Weight& w, int64_t r, int64_t c) {
  return reinterpret_cast<const float*>(w.row(r))[c];
}

// x W^T of row t, column n, in float64.
double product(const Tensor& x, const Weight& w, int64_t t, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < w.cols; ++k) sum += x.f32()[t * w.cols + k] * at(w, n, k);
  return sum;
}

double dense(const Linear& l, const Tensor& x, int64_t t, int64_t n) {
  double y = product(x, l.w, t, n) + (l.bias ? l.bias.f32()[n] : 0);
  for (const Lora& lora : l.lora) {
    for (int64_t r = 0; r < lora.a.rows; ++r)
      y += double(lora.scale) * product(x, lora.a, t, r) * at(lora.b, n, r);
  }
  return y;
}

void expect_equal(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.count(), b.count());
  for (int64_t i = 0; i < a.count(); ++i) ASSERT_EQ(a.f32()[i], b.f32()[i]) << i;
}

TEST_F(Layers, AGroupIsItsMembers) {
  LinearGroup<3> group;
  const int64_t outs[] = {6, 2, 5};
  for (size_t i = 0; i < 3; ++i) {
    group.members[i].w = weight(outs[i], 7);
    if (i != 1) group.members[i].bias = tensor({outs[i]});
  }
  group.members[2].lora.push_back({weight(2, 7), weight(5, 2), 0.5f});
  Context c = run();
  for (const int64_t tokens : {1, 4, 19}) {
    const Tensor x = tensor({tokens, 7});
    const auto ys = group(c, x);
    for (size_t i = 0; i < 3; ++i) expect_equal(ys[i], group.members[i](c, x));
    const ops::Norm norm = {tensor({7}), tensor({7}), 1e-3f};
    const auto of_norm = group(c, x, norm);
    const Tensor normalized = ops::norm(c, x, norm);
    for (size_t i = 0; i < 3; ++i) expect_equal(of_norm[i], group.members[i](c, normalized));
  }
}

// Sums of at most 7 + 1 + 2 * 3 * 7 products of multiples of 2^-6 up to 1: float32 rounds each by
// 2^-24 of at most 30.
constexpr double kTolerance = 60 * 30 * 0x1p-24;

TEST_F(Layers, AdaptersAddTheirProducts) {
  Linear l;
  l.w = weight(5, 7);
  l.bias = tensor({5});
  const Tensor x = tensor({4, 7}), residual = tensor({4, 5});
  Context c = run();
  for (int adapters = 0; adapters <= 2; ++adapters) {
    for (const bool with_residual : {false, true}) {
      for (const Activation f : {Activation::kNone, Activation::kSilu}) {
        const Tensor y = l(c, x, f, with_residual ? residual : Tensor());
        for (int64_t t = 0; t < 4; ++t) {
          for (int64_t n = 0; n < 5; ++n) {
            double wanted = dense(l, x, t, n);
            if (f == Activation::kSilu) wanted /= 1 + std::exp(-wanted);
            if (with_residual) wanted += residual.f32()[t * 5 + n];
            EXPECT_NEAR(y.f32()[t * 5 + n], wanted, kTolerance);
          }
        }
      }
    }
    l.lora.push_back({weight(adapters + 1, 7), weight(5, adapters + 1), 1.5f - float(adapters)});
  }
}

// The loss is the sum of all results weighted by 1, 2, 3, ...: linear in each factor alone, so that
// a difference of float64 formulas is the derivative itself.
TEST_F(Layers, TheGradientFlowsToTheFactors) {
  Linear l;
  l.w = weight(5, 7);
  l.lora.push_back({weight(2, 7), weight(5, 2), 0.75f});
  l.lora.push_back({weight(3, 7), weight(5, 3), -2});
  std::vector<std::vector<float>> grads;
  for (Lora& lora : l.lora) {
    for (Weight* w : {&lora.a, &lora.b}) grads.emplace_back(size_t(w->rows * w->cols), 0.f);
  }
  for (size_t i = 0; i < grads.size(); ++i)
    (i % 2 ? l.lora[i / 2].b : l.lora[i / 2].a).grad = grads[i].data();
  Tensor x = tensor({4, 7});
  std::vector<float> dx(28, 0.f);
  tensor::Grad grad{dx.data(), 28};
  x.grad = &grad;

  Context c = train();
  const Tensor y = l(c, x);
  float* dy = tensor::grad_of(c, y);
  for (int i = 0; i < 20; ++i) dy[i] = float(i + 1);
  tensor::run_backward(c);

  const auto loss = [&] {
    double sum = 0;
    for (int64_t i = 0; i < 20; ++i) sum += double(i + 1) * dense(l, x, i / 5, i % 5);
    return sum;
  };
  const auto check = [&](float* value, float got, const std::string& what) {
    const float before = *value;
    *value = before + 1;
    const double up = loss();
    *value = before - 1;
    const double wanted = (up - loss()) / 2;
    *value = before;
    // Sums over 20 results with weights up to 20, of numbers up to 7 * 3 * 2.
    EXPECT_NEAR(got, wanted, 210 * 42 * 0x1p-20) << what;
    return std::abs(wanted);
  };
  double all = 0;
  for (size_t g = 0; g < grads.size(); ++g) {
    const Weight& w = g % 2 ? l.lora[g / 2].b : l.lora[g / 2].a;
    auto* values = reinterpret_cast<float*>(const_cast<std::byte*>(w.data));
    for (size_t i = 0; i < grads[g].size(); ++i)
      all += check(values + i, grads[g][i], "factor " + std::to_string(g));
  }
  for (size_t i = 0; i < 28; ++i) all += check(x.f32() + i, dx[i], "input");
  EXPECT_GT(all, 100);  // the test would see a gradient that is missing
}

}  // namespace
}  // namespace ocelli::nn
