#include "train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "train/trainer_test_kit.h"

namespace ocelli::train {
namespace {

using test::FixedSource;
using test::Rig;
using test::text_batches;

class Lines : public Observer {
 public:
  base::Status on_log(const LogLine& line) override {
    losses.push_back(line.window.sums.mean_loss());
    rates.push_back(line.rate);
    return {};
  }
  base::Status on_evaluation(int64_t step, double, const StepSums& sums, bool best) override {
    evaluations.push_back({step, sums.mean_loss(), best});
    return {};
  }
  struct Evaluation {
    int64_t step;
    double loss;
    bool best;
  };
  std::vector<double> losses, rates;
  std::vector<Evaluation> evaluations;
};

std::unique_ptr<BatchSource> source(const Rig& run, int count) {
  return std::make_unique<FixedSource>(text_batches(*run.engine, count));
}

// The loss against logits of the engine, and every number's gradient against a difference.
TEST(Sft, LossAndGradient) {
  Rig run("smollm2");
  const std::vector<Batch> batches = text_batches(*run.engine, 1);
  double expected = 0;
  int64_t tokens = 0;
  for (const Sample* s : sequences(batches[0])) {
    const std::vector<float> logits = run.engine->score(s->prompt).value();
    const int64_t vocab = run.engine->info().vocab;
    const std::vector<int32_t> next = next_tokens(*s);
    for (size_t t = 0; t < next.size(); ++t) {
      if (next[t] < 0) continue;
      const float* row = logits.data() + int64_t(t) * vocab;
      double sum = 0;
      for (int64_t v = 0; v < vocab; ++v) sum += std::exp(double(row[v]));
      expected += std::log(sum) - double(row[next[t]]);
      ++tokens;
    }
  }
  run.start(source(run, 1));
  const StepSums before = run.pass->evaluate(batches[0], *run.objective).value();
  EXPECT_EQ(before.tokens, tokens);
  EXPECT_NEAR(before.loss, expected, 1e-4 * expected);
  run.parameters.clear_gradients(run.engine->pool());
  const StepSums trained = run.pass->train(batches[0], *run.objective, 1, 0).value();
  EXPECT_EQ(trained.loss, before.loss);
  EXPECT_EQ(trained.right, before.right);
  // Along the gradient itself: d loss / d t = |gradient|^2.
  const double norm = gradient_norm(run.engine->pool(), run.parameters.all());
  ASSERT_GT(norm, 0.1);
  const auto moved = [&](double by) {
    for (const Parameter& p : run.parameters.all()) {
      for (int64_t i = 0; i < p.count; ++i) p.value[i] += float(by / norm) * p.grad[i];
    }
    return run.pass->evaluate(batches[0], *run.objective).value().loss;
  };
  const double h = 2e-3, up = moved(h), down = moved(-2 * h);
  EXPECT_NEAR((up - down) / (2 * h), norm, 1e-2 * norm);
}

TEST(Trainer, LearnsATextByHeart) {
  Rig run("smollm2");
  run.options.max_steps = 40;
  run.options.learning_rate = 5e-3;
  run.options.gradient_accumulation_steps = 1;
  Lines lines;
  test::Extras more;
  more.observer = &lines;
  run.start(source(run, 2), more);
  EXPECT_EQ(*run.trainer->run({}), EndReason::kFinished);
  ASSERT_EQ(lines.losses.size(), 40u);
  EXPECT_LT(lines.losses.back(), 0.3 * lines.losses.front());
  EXPECT_DOUBLE_EQ(lines.rates[0], 5e-3);
  EXPECT_NEAR(lines.rates[20], 2.5e-3, 1e-9);
}

TEST(Trainer, TheSameForAnyNumberOfThreads) {
  std::vector<float> one;
  for (const int threads : {1, 3}) {
    Rig run("smollm2", threads);
    run.start(source(run, 3));
    EXPECT_EQ(*run.trainer->run({}), EndReason::kFinished);
    if (one.empty()) {
      one = run.numbers();
    } else {
      EXPECT_EQ(run.numbers(), one);
    }
  }
}

// Accumulating is the same as one large batch, whatever the numbers of tokens.
TEST(Trainer, AccumulationWeighsTokens) {
  std::vector<float> results[2];
  for (const bool together : {false, true}) {
    Rig run("smollm2");
    std::vector<Batch> batches = text_batches(*run.engine, 2);
    if (together) {
      for (const Example& e : batches[1].examples) batches[0].examples.push_back(e);
      batches.pop_back();
    }
    run.options.gradient_accumulation_steps = together ? 1 : 2;
    run.options.max_steps = 1;
    run.options.optim = "sgd";
    run.options.max_grad_norm = 0;
    run.options.learning_rate = 0.1;
    run.start(std::make_unique<FixedSource>(std::move(batches)));
    EXPECT_EQ(*run.trainer->run({}), EndReason::kFinished);
    results[together] = run.numbers();
  }
  for (size_t i = 0; i < results[0].size(); ++i) {
    ASSERT_NEAR(results[0][i], results[1][i], 2e-6) << i;
  }
}

TEST(Trainer, ALossThatIsNotFiniteStopsAndNamesTheRows) {
  Rig run("smollm2");
  run.options.learning_rate = 1e12;
  run.options.max_grad_norm = 0;
  run.options.optim = "sgd";
  run.start(source(run, 2));
  const auto result = run.trainer->run({});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, base::Code::kTraining);
  EXPECT_NE(result.error().what.find("step 2"), std::string::npos) << result.error().what;
  EXPECT_NE(result.error().what.find("rows 1"), std::string::npos) << result.error().what;
}

TEST(Trainer, EvaluatesAndStopsEarly) {
  Rig run("smollm2");
  run.options.max_steps = 50;
  run.options.eval_steps = 2;
  run.options.early_stopping_patience = 3;
  run.options.learning_rate = 1e-2;
  Lines lines;
  FixedSource held(text_batches(*run.engine, 3));
  test::Extras more;
  more.observer = &lines;
  more.held_back = &held;
  run.start(source(run, 1), more);  // learns one batch by heart, so that others get worse
  EXPECT_EQ(*run.trainer->run({}), EndReason::kEarlyStop);
  ASSERT_GE(lines.evaluations.size(), 4u);
  EXPECT_TRUE(lines.evaluations[0].best);
  for (size_t i = lines.evaluations.size() - 3; i < lines.evaluations.size(); ++i) {
    EXPECT_FALSE(lines.evaluations[i].best);
  }
  EXPECT_EQ(run.trainer->state().best_step, lines.evaluations[lines.evaluations.size() - 4].step);
}

TEST(Trainer, AnInterruptionLeavesAWholeStep) {
  Rig run("smollm2");
  run.start(source(run, 2));
  base::CancelToken cancel;
  cancel.request();
  const std::vector<float> before = run.numbers();
  EXPECT_EQ(*run.trainer->run(cancel), EndReason::kInterrupted);
  EXPECT_EQ(run.trainer->state().step, 0);
  EXPECT_EQ(run.numbers(), before);
}

// The real objective, which asks for a stop while its `at`-th micro-batch is computed.
class StopsAt : public Objective {
 public:
  explicit StopsAt(int at) : at_(at) {}
  double weight(const Batch& batch) const override { return real_->weight(batch); }
  base::Result<StepSums> run(tensor::Context& c, const HiddenStates& h,
                             double scale) const override {
    if (++calls_ == at_) token.request();
    return real_->run(c, h, scale);
  }
  base::CancelToken token;

 private:
  std::unique_ptr<Objective> real_ = make_sft();
  int at_;
  mutable int calls_ = 0;
};

// In the middle of a step, and of the evaluation behind one: nothing of what was cut off is kept,
// and what goes on from there is what would have been.
TEST(Trainer, AStopInTheMiddleOfAPassChangesNothing) {
  std::vector<float> whole;
  std::vector<std::pair<int64_t, bool>> judged;
  for (const int at : {0, 5, 7, 9}) {  // a step is two passes and one of its evaluation
    Rig run("smollm2");
    run.options.eval_steps = 1;
    auto objective = std::make_unique<StopsAt>(at);
    const base::CancelToken token = objective->token;
    run.objective = std::move(objective);
    Lines lines;
    FixedSource held(text_batches(*run.engine, 1));
    test::Extras more;
    more.observer = &lines;
    more.held_back = &held;
    run.start(source(run, 4), more);
    if (at > 0) {
      EXPECT_EQ(*run.trainer->run(token), EndReason::kInterrupted);
      EXPECT_EQ(run.trainer->state().step, at / 3);
      EXPECT_EQ(int64_t(lines.evaluations.size()), (at - 1) / 3);
    }
    EXPECT_EQ(*run.trainer->run({}), EndReason::kFinished);
    std::vector<std::pair<int64_t, bool>> all;
    for (const auto& e : lines.evaluations) all.push_back({e.step, e.best});
    if (at == 0) {
      whole = run.numbers();
      judged = all;
    }
    EXPECT_TRUE(run.numbers() == whole) << at;
    EXPECT_EQ(all, judged) << at;
  }
  EXPECT_EQ(judged.size(), 4u);
}

TEST(TrainState, ReadsBackWhatItWrote) {
  TrainState s;
  s.step = 7;
  s.best_loss = 0.1;
  s.best_step = 3;
  s.position = base::Json::object({{"row", 4}});
  s.window.sums.loss = 1.0 / 3;
  s.window.sums.more["rewards"] = -2.5;
  const auto parsed = base::Json::parse(s.to_json().dump());
  ASSERT_TRUE(parsed.ok());
  const auto back = TrainState::parse(*parsed);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->to_json(), s.to_json());
  EXPECT_EQ(back->window.sums.loss, 1.0 / 3);
  EXPECT_FALSE(TrainState::parse(base::Json::object()).ok());
}

}  // namespace
}  // namespace ocelli::train
