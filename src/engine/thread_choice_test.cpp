#include "engine/thread_choice.h"

#include <gtest/gtest.h>

namespace ocelli::engine {
namespace {

// A machine on which a pass takes `all` seconds on all threads and `one` alone, and every so often
// `hiccup` times as long.
struct Machine {
  double all, one, hiccup = 1;
};

struct Tally {
  int alone = 0;
  double seconds = 0;
};

Tally run(ThreadChoice& choice, const Machine& m, int passes) {
  Tally tally;
  for (int i = 0; i < passes; ++i) {
    const bool alone = choice.alone();
    const double seconds = (alone ? m.one : m.all) * (i % 11 == 3 ? m.hiccup : 1);
    tally.alone += alone;
    tally.seconds += seconds;
    choice.passed(seconds);
  }
  return tally;
}

TEST(ThreadChoice, TryingCostsLittleWhereThreadsGain) {
  for (const double gain : {1.2, 1.4, 1.9, 8.0}) {
    ThreadChoice choice;
    EXPECT_LT(run(choice, {1, gain}, 64).seconds, 64 + 3 * gain) << gain;
    EXPECT_LT(run(choice, {1, gain}, 5000).seconds, 5000 + 30 * gain) << gain;
  }
}

TEST(ThreadChoice, BeginsAloneWhereOthersAreAtWork) {
  ThreadChoice lost, gained, late;
  lost.crowded();
  EXPECT_TRUE(lost.alone());
  EXPECT_GE(run(lost, {1.2, 1}, 300).alone, 270);
  gained.crowded();  // they have gone since
  EXPECT_LE(run(gained, {1, 1.5}, 300).alone, 60);
  run(late, {1, 1.5}, 1);
  late.crowded();
  EXPECT_FALSE(late.alone());
}

TEST(ThreadChoice, TriesNothingWhereOthersAreStillAtWork) {
  ThreadChoice choice;
  int asked = 0;
  for (int i = 0; i < 3000; ++i) {
    if (choice.asks()) {
      ++asked;
      choice.crowded();
    }
    EXPECT_TRUE(choice.alone()) << i;
    choice.passed(1);
  }
  EXPECT_LT(asked, 100);
  EXPECT_LT(run(choice, {1, 1.5}, 300).alone, 60);  // they have gone
}

TEST(ThreadChoice, AsksNobodyWhileAllThreadsAreUsed) {
  ThreadChoice choice;
  run(choice, {1, 1.8}, 1);
  for (int i = 0; i < 3000; ++i) {
    EXPECT_FALSE(choice.asks()) << i;
    choice.passed(choice.alone() ? 1.8 : 1);
  }
}

TEST(ThreadChoice, StaysAloneWhereThreadsLose) {
  ThreadChoice choice;
  const Tally tally = run(choice, {1.1, 1}, 5000);
  EXPECT_GT(tally.alone, 4850);
  // and a short answer is not much worse off
  ThreadChoice fresh;
  EXPECT_LT(run(fresh, {1.1, 1}, 64).seconds, 64 * 1.03);
}

TEST(ThreadChoice, HiccupsDoNotDecide) {
  ThreadChoice choice;
  EXPECT_LT(run(choice, {1, 1.5, 4}, 5000).alone, 250);
  ThreadChoice other;
  EXPECT_GT(run(other, {1.3, 1, 4}, 5000).alone, 4750);
}

TEST(ThreadChoice, FollowsTheMachine) {
  ThreadChoice choice;
  run(choice, {1.1, 1}, 3000);
  run(choice, {1, 1.8}, 600);  // the longest time until it looks again
  EXPECT_LT(run(choice, {1, 1.8}, 3000).alone, 40);
  run(choice, {1.1, 1}, 600);
  EXPECT_GT(run(choice, {1.1, 1}, 1000).alone, 950);
}

}  // namespace
}  // namespace ocelli::engine
