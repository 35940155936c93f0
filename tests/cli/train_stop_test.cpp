// ocelli train, interrupted: by signals, by kills, by what does not fit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <random>

#include "base/clock.h"
#include "train_kit.h"

namespace ocelli::test {
namespace {

using testing::HasSubstr;

class TrainStops : public Train {
 protected:
  static bool has_checkpoint(const std::string& out) {
    if (!fs::exists(out)) return false;
    for (const auto& e : fs::directory_iterator(out)) {
      const std::string name = e.path().filename();
      if (name.starts_with("step-") && !name.ends_with(".tmp")) return true;
    }
    return false;
  }

  struct Chain {
    int hits = 0;  // of the signal
    bool ended = false;
  };
  // A run into `out` that gets `signals`, one after the other, at moments drawn from the time that
  // it still takes, and goes on after each, until it ends by itself. At most `most` hits. `seconds`
  // of a whole run become those of this one where it was faster: the machine was busier before.
  Chain interrupt(const std::string& out, const std::vector<std::string>& options, double& seconds,
                  int most, const std::vector<int>& signals) {
    Chain chain;
    const base::Stopwatch watch;
    double left = seconds;
    for (int round = 0; round < 100 && !chain.ended; ++round) {
      Process process(has_checkpoint(out)
                          ? std::vector<std::string>{"train", "--resume", "-o", out, "-t", "1"}
                          : words(out, options));
      const int number = signals[size_t(round) % signals.size()];
      if (chain.hits < most) {
        const double at = std::uniform_real_distribution(0.0, left)(random_);
        eventually([&] { return !process.running(); }, at);
        if (process.running()) process.signal(number);
        left = std::max(seconds / 4, left - at);
      }
      const Finished f = process.wait();
      chain.ended = f.status == 0;
      const bool hit = f.status == -number || f.status == 7;
      chain.hits += hit;
      EXPECT_TRUE(chain.ended || hit) << f.status << ": " << f.err;
      if (!chain.ended && !hit) return chain;
    }
    seconds = std::min(seconds, watch.seconds());
    return chain;
  }

  void expect_the_same(const std::string& out, const std::string& whole) {
    EXPECT_EQ(weights(out), weights(whole));
    EXPECT_EQ(losses(out), losses(whole));
  }

  std::mt19937 random_{12345};
};

TEST_F(TrainStops, KilledAtRandomItGoesOnToTheSameBits) {
  constexpr int kKills = 20, kRuns = 30;
  const std::vector<std::string> more = {"--max_steps",  "30",         "--method",           "full",
                                         "--save_steps", "3",          "--save_total_limit", "2",
                                         "--optim",      "adamw_8bit", "--logging_steps",    "5"};
  const std::string whole = folder_.file("whole");
  const Finished undisturbed = train(whole, more);
  ASSERT_EQ(undisturbed.status, 0) << undisturbed.err;
  double seconds = undisturbed.seconds;
  int kills = 0;
  for (int run = 0; run < kRuns && kills < kKills; ++run) {
    const std::string out = folder_.file("out" + std::to_string(run));
    const Chain chain = interrupt(out, more, seconds, kKills - kills, {SIGKILL});
    ASSERT_TRUE(chain.ended);
    kills += chain.hits;
    expect_the_same(out, whole);
    fs::remove_all(out);
  }
  EXPECT_EQ(kills, kKills);
}

// In steps, evaluations and while checkpoints are written: a checkpoint, exit status 7, and what
// goes on from it ends as if nothing had been.
TEST_F(TrainStops, SignalsKeepAStateToGoOnFrom) {
  constexpr int kSignals = 6;
  const std::vector<std::string> more = {"--max_steps",  "24", "--method",        "full",
                                         "--save_steps", "3",  "--eval_split",    "0.3",
                                         "--eval_steps", "2",  "--logging_steps", "5"};
  const std::string whole = folder_.file("whole");
  const Finished undisturbed = train(whole, more);
  ASSERT_EQ(undisturbed.status, 0) << undisturbed.err;
  double seconds = undisturbed.seconds;
  int hits = 0;
  for (int run = 0; run < 15 && hits < kSignals; ++run) {
    const std::string out = folder_.file("out" + std::to_string(run));
    const Chain chain = interrupt(out, more, seconds, kSignals - hits, {SIGTERM, SIGINT, SIGUSR1});
    ASSERT_TRUE(chain.ended);
    hits += chain.hits;
    EXPECT_EQ(weights(out), weights(whole));
  }
  EXPECT_EQ(hits, kSignals);
}

// A micro-batch of ten seconds and more, of one thread alone, is left in the middle; the last
// finished step is kept.
TEST_F(TrainStops, AStopDoesNotWaitForALongMicroBatch) {
  const std::string out = folder_.file("out");
  std::ofstream data(folder_.file("data.jsonl"));
  for (int row = 0; row < 2; ++row) {
    std::string text;
    while (text.size() < 60'000) text += "word" + std::to_string(text.size() * 7919 % 1000) + " ";
    data << base::Json::object({{"text", text}}).dump() << "\n";
  }
  data.close();
  Process process(words(
      out, {"--method", "full", "--max_length", "8192", "--samples", "0",
            "--per_device_train_batch_size", "2", "--max_steps", "2", "--gradient_checkpointing"}));
  ASSERT_TRUE(eventually([&] { return fs::exists(out + "/recipe.json"); }));
  eventually([&] { return !process.running(); }, 1.5);
  process.signal(SIGTERM);
  const base::Stopwatch watch;
  const Finished f = process.wait();
  EXPECT_LT(watch.seconds(), 10 * base::kSlower);
  EXPECT_EQ(f.status, 7) << f.err;
  EXPECT_THAT(f.err, HasSubstr("stopped behind step 0"));
  EXPECT_TRUE(fs::exists(out + "/step-0/training.json"));
  EXPECT_EQ(run({"train", "--resume", "-o", out, "-t", "1", "--dry-run"}).status, 0);
}

TEST_F(TrainStops, WhatDoesNotFitIsRefusedBeforeTheFirstStep) {
  const std::string out = folder_.file("out");
  const Finished memory = train(out, {"--memory", "0.001"});
  EXPECT_EQ(memory.status, 4);
  EXPECT_THAT(memory.err, HasSubstr("not enough memory for training"));
  // 5 MB each: petabytes.
  const Finished disk = train(out, {"--method", "full", "--save_total_limit", "1000000000"});
  EXPECT_EQ(disk.status, 4);
  EXPECT_THAT(disk.err, HasSubstr("not enough space on the disk"));
  EXPECT_FALSE(fs::exists(out + "/step-0"));
}

TEST_F(TrainStops, AModelThatHasChangedIsNotGoneOnWith) {
  const std::string model = folder_.file("model"), out = folder_.file("out");
  fs::copy(model_, model);
  fs::permissions(model + "/model.safetensors", fs::perms::owner_write, fs::perm_options::add);
  model_ = model;
  ASSERT_EQ(train(out, {"--max_steps", "2"}).status, 0);
  std::fstream(model + "/model.safetensors", std::ios::in | std::ios::out | std::ios::binary)
      .seekp(-3, std::ios::end)
      .put('\1');
  const Finished f = run({"train", "--resume", "-o", out, "-t", "1"});
  EXPECT_EQ(f.status, 6);
  EXPECT_THAT(f.err, HasSubstr("hash"));
}

}  // namespace
}  // namespace ocelli::test
