// Ten optimizer steps of the trainer against transformers' Trainer, with and without PEFT, and
// objectives against PyTorch. The fixtures are described in tools/reference/README.md.
//
// Both sides are float32; the fixture says how far its own numbers are from float64 (own_error).
// Two such errors, and as much again for other orders of summation, are allowed. For the final
// weights that is asked of each parameter's root mean square: a number whose gradient is nearly
// zero takes rounding for a direction (Adam divides by the gradient's own size), and the worst of
// many thousand numbers is a matter of luck. It may be off by a tenth of a step.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "backend/cpu/cpu_backend.h"
#include "ops/top_k_divergence.h"
#include "train_steps_kit.h"

namespace ocelli::train {
namespace {

using base::Json;
using namespace steps;

constexpr double kWorstNumber = 0.1;  // rates

std::vector<Batch> make_batches(engine::Engine& engine, const Json& json) {
  const auto size = size_t(json.get_int("batch_size").value());
  std::vector<Batch> out;
  for (const Json& sample : json.find("samples")->items()) {
    if (out.empty() || out.back().examples.size() == size) out.emplace_back();
    out.back().examples.push_back({0, make_sample(engine, sample), {}});
  }
  return out;
}

TrainOptions make_options(const Json& json, bool lora) {
  TrainOptions o;
  o.method = lora ? "lora" : "full";
  for (const char* key : {"learning_rate", "lr_scheduler_type", "warmup_steps", "weight_decay",
                          "max_grad_norm", "optim", "gradient_accumulation_steps"}) {
    EXPECT_TRUE(set_option(o, key, *json.find(key)).ok()) << key;
  }
  o.max_steps = int64_t(json.find("steps")->size());
  o.logging_steps = 1;
  o.save_steps = 0;
  return o;
}

struct Lines : Observer {
  std::vector<LogLine> all;
  base::Status on_log(const LogLine& line) override {
    all.push_back(line);
    return {};
  }
};

class TenSteps : public testing::TestWithParam<std::tuple<const char*, bool>> {
 protected:
  const std::string name_ = std::get<0>(GetParam());
  const bool recompute_ = std::get<1>(GetParam());
  const Json json_ = read_json(name_);
  std::unique_ptr<engine::Engine> engine_ = load_engine(json_.get_string("model").value());
  std::unique_ptr<models::Adapter> adapter_;
  ParameterSet parameters_;

  void SetUp() override {
    if (name_ == "full") {
      parameters_ = ParameterSet::take_over(engine_->mutable_loaded(), engine_->pool(), {}).value();
      return;
    }
    adapter_ = models::Adapter::open(folder_of(name_) + "/adapter", engine_->mutable_loaded(),
                                     engine_->pool(), {.trainable = true})
                   .value();
    ASSERT_TRUE(adapter_->attach().ok());
    add_adapter(*adapter_, parameters_);
  }

  void train(Lines& lines) {
    const TrainOptions options = make_options(json_, name_ == "lora");
    test::FixedSource source(make_batches(*engine_, json_));
    const auto features = Features::create(*engine_, {}).value();
    tensor::Arena arena = tensor::Arena::create().value();
    ModelPass pass(*engine_, parameters_, *features, arena, {.recompute = recompute_});
    OptimizerOptions rule;
    rule.kind = parse_optimizer(options.optim).value();
    rule.weight_decay = options.weight_decay;
    Optimizer optimizer = Optimizer::create(rule, parameters_.all()).value();
    const auto objective = make_sft();
    TrainerParts parts{*engine_, parameters_, optimizer, *objective, pass, source};
    parts.observer = &lines;
    Trainer trainer = Trainer::create(options, parts).value();
    EXPECT_EQ(trainer.run({}).value(), EndReason::kFinished);
  }

  double own_error(const char* key) const {
    return json_.find("own_error")->get_double(key).value();
  }

  void compare_lines(const Lines& lines) const {
    const auto& steps = json_.find("steps")->items();
    ASSERT_EQ(lines.all.size(), steps.size());
    double worst_loss = 0, worst_norm = 0;
    for (size_t i = 0; i < steps.size(); ++i) {
      const LogLine& line = lines.all[i];
      const auto off = [&](double got, const char* key) {
        return std::abs(got / steps[i].get_double(key).value() - 1);
      };
      worst_loss = std::max(worst_loss, off(line.window.sums.mean_loss(), "loss"));
      worst_norm = std::max(worst_norm, off(line.window.norm, "grad_norm"));
      EXPECT_NEAR(line.rate, steps[i].get_double("learning_rate").value(), 1e-15) << i;
    }
    std::printf("%s: losses within %.1e (%.1e its own), norms %.1e (%.1e)\n", name_.c_str(),
                worst_loss, own_error("loss"), worst_norm, own_error("grad_norm"));
    EXPECT_LE(worst_loss, kOwnErrors * own_error("loss") + kRounding);
    EXPECT_LE(worst_norm, kOwnErrors * own_error("grad_norm") + kRounding);
  }

  void compare_weights() const {
    const auto file =
        formats::SafetensorsFile::open(folder_of(name_) + "/expected.safetensors").value();
    ASSERT_EQ(parameters_.all().size(), file.tensors().size());
    const double rate = json_.get_double("learning_rate").value();
    double worst = 0, worst_rms = 0;
    for (const Parameter& p : parameters_.all()) {
      const std::vector<float> wanted = numbers(file, p.name);
      ASSERT_FALSE(wanted.empty());
      const auto kept = int64_t(wanted.size());
      double squares = 0;
      for (int64_t i = 0; i < kept; ++i) {
        const double off =
            std::abs(double(p.value[p.count * i / kept]) - double(wanted[size_t(i)])) / rate;
        ASSERT_TRUE(std::isfinite(off)) << p.name;
        worst = std::max(worst, off);
        squares += off * off;
      }
      const double rms = std::sqrt(squares / double(kept));
      EXPECT_LE(rms, kOwnErrors * own_error("weights_rms")) << p.name;
      worst_rms = std::max(worst_rms, rms);
    }
    std::printf("%s: weights within %.1e rates (%.1e its own), root mean square %.1e (%.1e)\n",
                name_.c_str(), worst, own_error("weights"), worst_rms, own_error("weights_rms"));
    EXPECT_LE(worst, kWorstNumber);
  }
};

TEST_P(TenSteps, EqualTransformers) {
  Lines lines;
  train(lines);
  compare_lines(lines);
  compare_weights();
}

// Distillation: loss and gradient as PyTorch's, by the kernels that the trainer calls.
TEST(Distillation, EqualsItsDefinition) {
  const Json json = read_json("distill");
  const auto file = formats::SafetensorsFile::open(folder_of("distill") + "/expected.safetensors");
  std::vector<float> student = numbers(*file, "student");
  const std::vector<float> log_probs = numbers(*file, "log_probs");
  const std::vector<float> wanted = numbers(*file, "gradient");
  std::vector<int32_t> ids;
  for (const Json& row : json.find("ids")->items()) {
    for (const Json& id : row.items()) ids.push_back(int32_t(id.as_int()));
  }
  const auto rows = int64_t(json.find("ids")->size());
  const auto backend = cpu::make_cpu_backend().value();
  base::ThreadPool pool(2);
  tensor::Arena arena = tensor::Arena::create(int64_t{1} << 24).value();
  tensor::Tape tape;
  tensor::Context c{*backend, arena, pool, &tape, {}, true};
  std::vector<float> got(student.size(), 0);
  tensor::Grad grad{got.data(), int64_t(got.size())};
  tensor::TopKJob job;
  job.logits = tensor::Tensor::view(student.data(), {rows, int64_t(student.size()) / rows});
  job.logits.grad = &grad;
  job.ids = ids;
  job.log_probs = log_probs;
  job.temperature = float(json.get_double("temperature").value());
  const tensor::Tensor loss = ops::top_k_divergence(c, job);
  *tensor::grad_of(c, loss) = 1;
  tensor::run_backward(c);
  // Sums of 30 terms, each with a logarithm of 50 exponentials: a few roundings of their size.
  EXPECT_NEAR(loss.f32()[0], json.get_double("loss").value(), 16 * 0x1p-23 * loss.f32()[0]);
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 16 * 0x1p-24) << i;
}

INSTANTIATE_TEST_SUITE_P(Runs, TenSteps,
                         testing::Values(std::tuple("full", false), std::tuple("full", true),
                                         std::tuple("lora", true)),
                         [](const auto& parameter) {
                           return std::string(std::get<0>(parameter.param)) +
                                  (std::get<1>(parameter.param) ? "_recomputed" : "");
                         });

}  // namespace
}  // namespace ocelli::train
