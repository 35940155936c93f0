// What tests of training share: a small model, samples of plain text and of pictures, and a source
// that gives them in order.
#pragma once

#include <gtest/gtest.h>

#include "engine/engine.h"
#include "train/trainer.h"

namespace ocelli::train::test {

inline std::unique_ptr<engine::Engine> load_model(const std::string& name, int threads = 1) {
  auto folder = formats::ModelFolder::open(OCELLI_FIXTURES "/models/" + name);
  engine::EngineOptions options;
  options.threads = threads;
  options.exact = true;
  options.split_images = false;  // one tile a picture
  auto engine = engine::Engine::load(std::move(folder).value(), options);
  EXPECT_TRUE(engine.ok()) << engine.error().message();
  return std::move(engine).value();
}

// Everything but the first `untrained` tokens is learnt.
inline Sample text_sample(const engine::Engine& engine, const std::string& text,
                          size_t untrained = 1) {
  Sample s;
  s.prompt = engine.raw_prompt(text).value();
  s.trained.assign(s.prompt.ids.size(), 1);
  std::fill_n(s.trained.begin(), std::min(untrained, s.trained.size()), uint8_t{0});
  return s;
}

// Batches in a fixed order, epoch after epoch.
class FixedSource : public BatchSource {
 public:
  explicit FixedSource(std::vector<Batch> batches) : batches_(std::move(batches)) {}
  base::Result<std::optional<Batch>> next() override {
    if (at_ == batches_.size()) {
      at_ = 0;
      return std::optional<Batch>();
    }
    return std::optional<Batch>(batches_[at_++]);
  }
  base::Json position() const override { return base::Json(int64_t(at_)); }
  base::Status go_to(const base::Json& position) override {
    at_ = position.is_null() ? 0 : size_t(position.as_int());
    return {};
  }
  int64_t batches() const override { return int64_t(batches_.size()); }

 private:
  std::vector<Batch> batches_;
  size_t at_ = 0;
};

inline std::vector<Batch> text_batches(const engine::Engine& engine, int count) {
  const char* const kTexts[] = {"One two three four", "The cat sat on the mat.", "a b c d e f",
                                "hello hello hello", "0 1 2 3 4 5 6"};
  std::vector<Batch> out;
  for (int i = 0; i < count; ++i) {
    Batch b;
    b.examples.push_back({2 * i, text_sample(engine, kTexts[i % 5]), {}});
    b.examples.push_back({2 * i + 1, text_sample(engine, kTexts[(i + 2) % 5], 2), {}});
    out.push_back(std::move(b));
  }
  return out;
}

struct Extras {
  BatchSource* held_back = nullptr;
  Keeper* keeper = nullptr;
  Observer* observer = nullptr;
};

// A run, with everything that it needs.
struct Rig {
  std::unique_ptr<engine::Engine> engine;
  ParameterSet parameters;
  std::unique_ptr<Features> features;
  std::optional<tensor::Arena> arena;
  std::unique_ptr<Objective> objective = make_sft();
  std::optional<ModelPass> pass;
  std::optional<Optimizer> optimizer;
  std::unique_ptr<BatchSource> data;
  std::optional<Trainer> trainer;
  TrainOptions options;

  explicit Rig(const std::string& model, int threads = 1) : engine(load_model(model, threads)) {
    options.method = "full";
    options.learning_rate = 1e-3;
    options.gradient_accumulation_steps = 2;
    options.logging_steps = 1;
    options.save_steps = 0;
    options.max_steps = 4;
  }
  void start(std::unique_ptr<BatchSource> source, const Extras& more = {},
             const ParameterSet::Options& parts = {}) {
    parameters = ParameterSet::take_over(engine->mutable_loaded(), engine->pool(), parts).value();
    begin(std::move(source), more);
  }
  // After `parameters` has been filled.
  void begin(std::unique_ptr<BatchSource> source, const Extras& more = {}) {
    data = std::move(source);
    features = Features::create(*engine, {}).value();
    arena.emplace(tensor::Arena::create().value());
    pass.emplace(*engine, parameters, *features, *arena, PassOptions{});
    optimizer.emplace(
        Optimizer::create({.kind = parse_optimizer(options.optim).value()}, parameters.all())
            .value());
    TrainerParts parts{*engine, parameters, *optimizer, *objective, *pass, *data};
    parts.held_back = more.held_back;
    parts.keeper = more.keeper;
    parts.observer = more.observer;
    auto made = Trainer::create(options, parts);
    ASSERT_TRUE(made.ok()) << made.error().message();
    trainer.emplace(std::move(made).value());
  }
  std::vector<float> numbers() const {
    std::vector<float> out;
    for (const Parameter& p : parameters.all()) out.insert(out.end(), p.value, p.value + p.count);
    return out;
  }
};

}  // namespace ocelli::train::test
