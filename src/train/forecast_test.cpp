#include "train/forecast.h"

#include <gtest/gtest.h>

#include "base/memory.h"
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
