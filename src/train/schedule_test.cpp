#include "train/schedule.h"

#include <gtest/gtest.h>

namespace ocelli::train {
namespace {

// transformers.optimization.get_*_schedule(num_warmup_steps=2, num_training_steps=10), by hand.
TEST(Schedule, Linear) {
  const Schedule s{ScheduleKind::kLinear, 10, 2};
  EXPECT_DOUBLE_EQ(s.factor(0), 0);
  EXPECT_DOUBLE_EQ(s.factor(1), 0.5);
  EXPECT_DOUBLE_EQ(s.factor(2), 1);
  EXPECT_DOUBLE_EQ(s.factor(6), 0.5);
  EXPECT_DOUBLE_EQ(s.factor(10), 0);
  EXPECT_DOUBLE_EQ(s.factor(12), 0);  // a run that goes on past its end
}

TEST(Schedule, Cosine) {
  const Schedule s{ScheduleKind::kCosine, 10, 2};
  EXPECT_DOUBLE_EQ(s.factor(1), 0.5);
  EXPECT_DOUBLE_EQ(s.factor(2), 1);
  EXPECT_NEAR(s.factor(4), 0.85355339059327373, 1e-15);
  EXPECT_NEAR(s.factor(6), 0.5, 1e-15);
  EXPECT_NEAR(s.factor(10), 0, 1e-15);
}

TEST(Schedule, FlatOnes) {
  EXPECT_DOUBLE_EQ((Schedule{ScheduleKind::kConstant, 10, 5}).factor(0), 1);
  const Schedule warm{ScheduleKind::kConstantWithWarmup, 10, 4};
  EXPECT_DOUBLE_EQ(warm.factor(1), 0.25);
  EXPECT_DOUBLE_EQ(warm.factor(9), 1);
  const Schedule stable{ScheduleKind::kWarmupStableDecay, 10, 1, 4, 0.1};
  EXPECT_DOUBLE_EQ(stable.factor(0), 0);
  EXPECT_DOUBLE_EQ(stable.factor(5), 1);
  EXPECT_NEAR(stable.factor(8), 0.5, 1e-15);
  EXPECT_DOUBLE_EQ(stable.factor(10), 0.1);
}

TEST(Schedule, Names) {
  EXPECT_EQ(*parse_schedule("cosine"), ScheduleKind::kCosine);
  EXPECT_EQ(name(*parse_schedule("warmup_stable_decay")), "warmup_stable_decay");
  EXPECT_FALSE(parse_schedule("cosin").ok());
  EXPECT_EQ(warmup_steps(0, 0.03, 101), 4);
  EXPECT_EQ(warmup_steps(7, 0.5, 100), 7);
}

}  // namespace
}  // namespace ocelli::train
