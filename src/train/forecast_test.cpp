#include "train/forecast.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/memory.h"
#include "models/shapes.h"
#include "train/session.h"
#include "train/trainer_test_kit.h"

namespace ocelli::train {
namespace {

using test::Rig;

// The counted activations are those of a real step, for each way of training.
TEST(TrainForecast, ActivationsAreTheRealOnes) {
  for (const bool recompute : {false, true}) {
    Rig run("smollm2");
    TrainOptions o;
    o.method = "full";
    o.gradient_checkpointing = recompute;
    const Batch batch = test::text_batches(*run.engine, 1)[0];
    int64_t longest = 0;
    for (const Sample* s : sequences(batch)) longest = std::max(longest, s->tokens());
    Batch even = batch;  // two samples of the same length
    even.examples[0].sample = even.examples[1].sample;
    const StepShape shape{2, even.examples[0].sample.tokens(), 0};
    const std::vector<float> before = run.engine->score(even.examples[0].sample.prompt).value();
    const auto f = forecast_training(*run.engine, o, shape);
    ASSERT_TRUE(f.ok()) << f.error().message();
    EXPECT_EQ(run.engine->score(even.examples[0].sample.prompt).value(), before);
    EXPECT_EQ(f->trainable, run.engine->loaded().parameters);
    for (Example& e : even.examples) std::fill(e.sample.trained.begin(), e.sample.trained.end(), 1);
    run.start(std::make_unique<test::FixedSource>(std::vector<Batch>{even}));
    ModelPass pass(*run.engine, run.parameters, *run.features, *run.arena,
                   PassOptions{.recompute = recompute});
    run.arena->reset_peak();
    ASSERT_TRUE(pass.train(even, *run.objective, 1, 0).ok());
    EXPECT_NEAR(double(run.arena->peak()), double(f->activations), 0.05 * double(f->activations));
    EXPECT_GT(f->macs, 0);
  }
}

TEST(TrainForecast, AConfigurationAloneGivesTheSame) {
  for (const char* name : {"smollm2", "smolvlm2-b"}) {
    Rig run(name);
    TrainOptions o;
    o.lora_r = 4;
    o.use_dora = true;
    const StepShape shape{5, 600, 1};
    const auto whole = forecast_training(*run.engine, o, shape);
    const auto config = base::Json::parse(
        base::read_file(std::string(OCELLI_FIXTURES "/models/") + name + "/config.json", 1 << 20)
            .value());
    auto shapes = models::shape_model(config.value(), encoding::Encoding::kF32).value();
    const auto f = forecast_training({shapes, run.engine->pool(), run.engine->backend()}, o, shape);
    ASSERT_TRUE(whole.ok() && f.ok());
    EXPECT_EQ(f->trainable, whole->trainable);
    EXPECT_EQ(f->activations, whole->activations);
    EXPECT_EQ(f->optimizer, whole->optimizer);
    EXPECT_EQ(f->pictures, whole->pictures);
    EXPECT_EQ(f->macs, whole->macs);
    EXPECT_GE(f->program, shapes.storage_bytes);
  }
}

TEST(TrainForecast, NoSizeIsTooLargeToBeToldSo) {
  Rig run("smollm2");
  TrainOptions o;
  const auto one = forecast_training(*run.engine, o, {1, 4096, 0});
  const auto many = forecast_training(*run.engine, o, {4096, 4096, 0});
  const auto longest = forecast_training(*run.engine, o, {4096, 1 << 22, 0});
  ASSERT_TRUE(one.ok() && many.ok() && longest.ok());
  EXPECT_GT(many->activations, 3500 * one->activations);
  EXPECT_LT(many->activations, 4097 * one->activations);
  EXPECT_NEAR(double(longest->activations), 1024.0 * double(many->activations),
              0.05 * double(longest->activations));
}

TEST(TrainForecast, TooMuchIsRefusedWithSettingsThatFit) {
  Rig run("smollm2");
  TrainOptions o;
  o.method = "full";
  const StepShape shape{8, 512, 0};
  const auto whole = forecast_training(*run.engine, o, shape);
  ASSERT_TRUE(whole.ok());
  EXPECT_TRUE(check_memory(*run.engine, o, shape, whole->peak() + (64 << 20)).ok());
  const auto refused = check_memory(*run.engine, o, shape, whole->peak() - whole->activations / 2);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, base::Code::kDoesNotFit);
  EXPECT_NE(refused.error().what.find("--gradient_checkpointing"), std::string::npos)
      << refused.error().what;
  const auto never = check_memory(*run.engine, o, shape, 1 << 20);
  ASSERT_FALSE(never.ok());
  EXPECT_NE(never.error().what.find("smaller model"), std::string::npos);
}

TEST(TrainForecast, CountsATeacher) {
  Rig run("smolvlm2-a"), teacher("smolvlm2-b");
  TrainOptions o;
  const StepShape alone{1, 600, 1};
  StepShape shape = alone;
  shape.teacher = {teacher.engine.get(), 1000};
  const auto before = forecast_training(*run.engine, o, alone);
  const auto with = forecast_training(*run.engine, o, shape);
  ASSERT_TRUE(before.ok() && with.ok());
  EXPECT_EQ(before->teacher, 0);
  EXPECT_EQ(before->teacher_macs, 0);
  EXPECT_GT(with->teacher_macs, 0);
  EXPECT_EQ(with->macs, before->macs);
  const models::LoadedModel& loaded = teacher.engine->loaded();
  // Beside its weights the hidden states of 617 tokens, 256 wide, at the very least.
  EXPECT_GT(with->teacher, loaded.storage_bytes + loaded.mapped_bytes + 617 * 256 * 4);
}

TEST(TrainForecast, CheckpointingSavesMemoryAndCostsTime) {
  Rig run("smolvlm2-a");
  TrainOptions o;
  const StepShape shape{1, 600, 1};
  const auto plain = forecast_training(*run.engine, o, shape);
  o.gradient_checkpointing = true;
  const auto again = forecast_training(*run.engine, o, shape);
  ASSERT_TRUE(plain.ok() && again.ok());
  EXPECT_LT(again->activations, plain->activations);
  EXPECT_GT(again->macs, plain->macs);
}

}  // namespace
}  // namespace ocelli::train
