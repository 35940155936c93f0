#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "backend/cpu/cpu_backend.h"
#include "formats/safetensors.h"
#include "train/optimizer_rules.h"

namespace ocelli::train {
namespace {

constexpr double kRate = 0.01, kDecay = 0.1;
const char* const kNames[] = {"model.layers.0.wide.weight", "model.layers.0.tall.weight",
                              "norm.weight"};

// Parameters with memory of their own, and what PyTorch made of them.
class OptimizerSteps : public testing::Test {
 protected:
  void SetUp() override {
    auto file = formats::SafetensorsFile::open(OCELLI_FIXTURES "/train/optimizers.safetensors");
    ASSERT_TRUE(file.ok()) << file.error().message();
    file_.emplace(std::move(file).value());
    for (const char* name : kNames) add(name, "value/" + std::string(name));
  }

  std::vector<float> numbers(const std::string& name) const {
    const formats::TensorInfo* t = file_->find(name);
    EXPECT_TRUE(t) << name;
    std::vector<float> out(t->bytes.size() / 4);
    std::memcpy(out.data(), t->bytes.data(), t->bytes.size());
    return out;
  }

  void add(const std::string& name, const std::string& stored) {
    values_.push_back(std::make_unique<std::vector<float>>(numbers(stored)));
    grads_.push_back(std::make_unique<std::vector<float>>(values_.back()->size()));
    Parameter p;
    p.name = name;
    p.shape = file_->find(stored)->shape;
    p.value = values_.back()->data();
    p.grad = grads_.back()->data();
    p.count = int64_t(values_.back()->size());
    p.decay = decays(name);
    parameters_.push_back(p);
  }

  void run(OptimizerOptions options, int threads, double clip = 0) {
    base::ThreadPool pool(threads);
    const std::unique_ptr<tensor::Backend> backend = std::move(cpu::make_cpu_backend()).value();
    auto arena = tensor::Arena::create(1 << 24);
    tensor::Context c{*backend, *arena, pool};
    options.weight_decay = kDecay;
    auto optimizer = Optimizer::create(options, parameters_);
    ASSERT_TRUE(optimizer.ok());
    const std::vector<double> rates(parameters_.size(), kRate);
    for (int step = 0; step < 5; ++step) {
      for (Parameter& p : parameters_) {
        const std::vector<float> g = numbers("grad/" + std::to_string(step) + "/" + p.name);
        std::copy(g.begin(), g.end(), p.grad);
      }
      const double norm = gradient_norm(pool, parameters_);
      if (clip > 0) {
        EXPECT_NEAR(norm, numbers("norm/" + std::to_string(step))[0], 1e-5 * norm);
      }
      optimizer->step(c, rates, clip_factor(norm, clip));
    }
    EXPECT_EQ(arena->mark(), 0);
  }

  void expect(const std::string& label, double tolerance) {
    for (const Parameter& p : parameters_) {
      const std::vector<float> wanted = numbers(label + "/" + p.name);
      for (size_t i = 0; i < wanted.size(); ++i) {
        ASSERT_NEAR(p.value[i], wanted[i], tolerance) << label << " " << p.name << " " << i;
      }
    }
  }

  std::optional<formats::SafetensorsFile> file_;
  std::vector<std::unique_ptr<std::vector<float>>> values_, grads_;
  std::vector<Parameter> parameters_;
};

// Five steps of about 0.01 each: a few roundings of numbers near 1.
constexpr double kRounding = 1e-6;

TEST_F(OptimizerSteps, AdamWIsTorchs) {
  run({.kind = OptimizerKind::kAdamW}, 1);
  expect("adamw", kRounding);
}

TEST_F(OptimizerSteps, ClippingIsTorchs) {
  run({.kind = OptimizerKind::kAdamW}, 1, 1.0);
  expect("clipped", kRounding);
}

TEST_F(OptimizerSteps, SgdIsTorchs) {
  run({.kind = OptimizerKind::kSgd}, 1);
  expect("sgd", kRounding);
}

TEST_F(OptimizerSteps, NesterovIsTorchs) {
  run({.kind = OptimizerKind::kSgd, .momentum = 0.9, .nesterov = true}, 2);
  expect("nesterov", kRounding);
}

TEST_F(OptimizerSteps, MuonIsTorchs) {
  run({.kind = OptimizerKind::kMuon}, 2);
  expect("muon", 1e-5);  // five chained products a step
}

TEST_F(OptimizerSteps, SmallTensorsStayFloat32) {
  run({.kind = OptimizerKind::kAdamW8bit}, 1);
  expect("adamw", kRounding);
}

TEST_F(OptimizerSteps, EightBitStatesAreBitsandbytes) {
  for (const bool with_sign : {true, false}) {
    const std::vector<float> wanted = numbers(with_sign ? "map/signed" : "map/unsigned");
    const std::vector<float> map = dynamic_map(with_sign);
    ASSERT_EQ(map.size(), 256u);
    for (size_t i = 0; i < 256; ++i) EXPECT_NEAR(map[i], wanted[i], 1e-7 * std::fabs(wanted[i]));
  }
  std::vector<float> before;
  for (const int threads : {1, 3}) {
    parameters_.clear();
    add("big.weight", "8bit/value");
    base::ThreadPool pool(threads);
    const std::unique_ptr<tensor::Backend> backend = std::move(cpu::make_cpu_backend()).value();
    auto arena = tensor::Arena::create(1 << 20);
    tensor::Context c{*backend, *arena, pool};
    auto optimizer =
        Optimizer::create({.kind = OptimizerKind::kAdamW8bit, .weight_decay = kDecay}, parameters_);
    ASSERT_TRUE(optimizer.ok());
    for (int step = 0; step < 3; ++step) {
      const std::vector<float> g = numbers("8bit/grad/" + std::to_string(step));
      std::copy(g.begin(), g.end(), parameters_[0].grad);
      optimizer->step(c, std::vector<double>{kRate}, 1);
    }
    const std::vector<float> wanted = numbers("8bit/after");
    int far = 0;  // a number half-way between two codes may fall to the other side
    for (size_t i = 0; i < wanted.size(); ++i) {
      far += std::fabs(parameters_[0].value[i] - wanted[i]) > 1e-6;
    }
    EXPECT_LE(far, 4);
    const std::vector<float> now(parameters_[0].value, parameters_[0].value + 4096);
    if (!before.empty()) {
      EXPECT_EQ(now, before);  // any number of threads
    }
    before = now;
  }
}

TEST_F(OptimizerSteps, AStateReadBackGoesOnTheSame) {
  for (const OptimizerKind kind :
       {OptimizerKind::kAdamW, OptimizerKind::kAdamW8bit, OptimizerKind::kMuon}) {
    parameters_.clear();
    add("model.layers.0.wide.weight", "value/model.layers.0.wide.weight");
    add("big.weight", "8bit/value");
    base::ThreadPool pool(1);
    const std::unique_ptr<tensor::Backend> backend = std::move(cpu::make_cpu_backend()).value();
    auto arena = tensor::Arena::create(1 << 20);
    tensor::Context c{*backend, *arena, pool};
    auto a = Optimizer::create({.kind = kind}, parameters_);
    const std::vector<double> rates = {kRate, kRate};
    std::fill_n(parameters_[0].grad, parameters_[0].count, 0.5f);
    std::fill_n(parameters_[1].grad, parameters_[1].count, 0.25f);
    a->step(c, rates, 1);
    auto b = Optimizer::create({.kind = kind}, parameters_);
    const auto from = a->state(), to = b->state();
    ASSERT_EQ(from.size(), to.size());
    int64_t bytes = 0, planned = 0;
    for (size_t i = 0; i < from.size(); ++i) {
      ASSERT_EQ(from[i].name, to[i].name);
      ASSERT_EQ(from[i].bytes.size(), to[i].bytes.size());
      std::copy(from[i].bytes.begin(), from[i].bytes.end(), to[i].bytes.begin());
      bytes += int64_t(from[i].bytes.size());
    }
    for (const Parameter& p : parameters_) planned += Optimizer::state_bytes({.kind = kind}, p);
    EXPECT_EQ(bytes, planned);
    b->set_steps(a->steps());
    const std::vector<float> start = *values_.back();
    a->step(c, rates, 1);
    const std::vector<float> first = *values_.back();
    *values_.back() = start;
    b->step(c, rates, 1);
    EXPECT_EQ(*values_.back(), first);
    EXPECT_NE(first, start);
  }
}

TEST(Optimizer, Names) {
  EXPECT_EQ(*parse_optimizer("paged_adamw_8bit"), OptimizerKind::kAdamW8bit);
  EXPECT_EQ(name(OptimizerKind::kMuon), "muon");
  EXPECT_FALSE(parse_optimizer("lion").ok());
}

TEST(Optimizer, ANonFiniteGradientShows) {
  base::ThreadPool pool(1);
  float value[2] = {}, grad[2] = {1, NAN};
  const Parameter p{"w", {2}, value, grad, 2};
  EXPECT_FALSE(std::isfinite(gradient_norm(pool, {&p, 1})));
}

}  // namespace
}  // namespace ocelli::train
