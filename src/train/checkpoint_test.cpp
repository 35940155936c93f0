#include "train/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "train/trainer_test_kit.h"

namespace ocelli::train {
namespace {

namespace fs = std::filesystem;
using test::FixedSource;
using test::Rig;
using test::text_batches;
using testing::ElementsAre;
using testing::HasSubstr;

class Checkpoints : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/ocelli-checkpoints-XXXXXX";
    ASSERT_TRUE(mkdtemp(path));
    out_ = path;
  }
  void TearDown() override { fs::remove_all(out_); }

  // A run of `steps` steps that keeps a state after each, from the newest one on.
  struct Result {
    std::vector<float> numbers;
    std::vector<double> losses;
    int64_t first = 0;  // the step it began at
  };
  class Lines : public Observer {
   public:
    base::Status on_log(const LogLine& line) override {
      losses.push_back(line.window.sums.mean_loss());
      return {};
    }
    std::vector<double> losses;
  };

  CheckpointParts parts_of(Rig& run) {
    return {run.parameters, *run.optimizer, &run.trainer->average(), [](const std::string& folder) {
              fs::create_directory(folder);
              return base::write_file_atomically(folder + "/weights", "weights");
            }};
  }

  // In two strides: the parts of the rig must be there before the keeper.
  class Forward : public Keeper {
   public:
    base::Status keep(const TrainState& state, bool best) override {
      return to ? to->keep(state, best) : base::Status();
    }
    Keeper* to = nullptr;
  };

  Result run(int64_t steps, const std::string& optim = "adamw_torch", int64_t total = 8,
             double ema = 0) {
    Rig run("smollm2");
    run.options.max_steps = total;
    run.options.optim = optim;
    run.options.save_steps = 1;
    run.options.ema_decay = ema;
    run.options.logging_steps = 3;
    Forward forward;
    Lines lines;
    test::Extras extras;
    extras.keeper = &forward;
    extras.observer = &lines;
    run.start(std::make_unique<FixedSource>(text_batches(*run.engine, 5)), extras);
    Result result;
    if (!checkpoint_steps(out_).empty()) {
      std::vector<std::string> damaged;
      auto from = newest_checkpoint(out_, damaged);
      EXPECT_TRUE(from.ok());
      EXPECT_TRUE(restore(*from, parts_of(run)).ok());
      run.trainer->state() = from->state;
      result.first = from->state.step;
    }
    // Stops behind `steps` as SIGTERM would.
    base::CancelToken cancel;
    CheckpointKeeper keeper({out_, 2, {"base", base::Json::object(), "data"}, {}}, parts_of(run));
    class Stop : public Keeper {
     public:
      base::Status keep(const TrainState& state, bool best) override {
        if (state.step < at - 1) return {};
        if (state.step >= at) cancel->request();
        return to->keep(state, best);
      }
      Keeper* to;
      base::CancelToken* cancel;
      int64_t at;
    } stop;
    stop.to = &keeper;
    stop.cancel = &cancel;
    stop.at = steps;
    forward.to = &stop;
    const auto end = run.trainer->run(cancel);
    EXPECT_TRUE(end.ok()) << end.error().message();
    result.numbers = run.numbers();
    for (const auto& average : run.trainer->average()) {
      result.numbers.insert(result.numbers.end(), average.begin(), average.end());
    }
    result.losses = lines.losses;
    return result;
  }

  std::string out_;
};

TEST_F(Checkpoints, AResumedRunIsTheSameBitForBit) {
  for (const std::string optim : {"adamw_torch", "adamw_8bit"}) {
    const Result whole = run(6, optim, 6, 0.9);
    fs::remove_all(out_);
    fs::create_directory(out_);
    // Stopped after steps 2 and 5.
    std::vector<double> losses;
    Result last;
    for (const int64_t stop : {2, 5, 6}) {
      last = run(stop, optim, 6, 0.9);
      losses.insert(losses.end(), last.losses.begin(), last.losses.end());
    }
    EXPECT_EQ(last.first, 5);
    EXPECT_EQ(last.numbers, whole.numbers) << optim;
    EXPECT_EQ(losses, whole.losses) << optim;  // lines that a stop cut in two as well
    fs::remove_all(out_);
    fs::create_directory(out_);
  }
}

TEST_F(Checkpoints, OldOnesGoTheBestStays) {
  run(5);
  EXPECT_THAT(checkpoint_steps(out_), ElementsAre(5, 4));
  auto newest = read_checkpoint(checkpoint_folder(out_, 5));
  ASSERT_TRUE(newest.ok());
  EXPECT_EQ(newest->state.step, 5);
  EXPECT_EQ(newest->identity.base, "base");
  EXPECT_TRUE(fs::exists(newest->folder + "/weights"));
}

TEST_F(Checkpoints, ADamagedOneIsNamedAndThePreviousTaken) {
  run(4);
  const std::string newest = checkpoint_folder(out_, 4);
  const auto original = base::read_file(newest + "/state.safetensors", 1 << 28).value();
  const auto message = [&] {
    const auto read = read_checkpoint(newest);
    std::vector<std::string> damaged;
    const auto other = newest_checkpoint(out_, damaged);
    EXPECT_TRUE(other.ok());
    EXPECT_EQ(other->state.step, 3);
    EXPECT_EQ(damaged.size(), 1u);
    EXPECT_EQ(read.error().code, base::Code::kTraining);
    return read.error().message();
  };
  const auto put = [&](const std::string& name, const std::string& text) {
    std::ofstream(newest + "/" + name, std::ios::binary | std::ios::trunc) << text;
  };
  std::string flipped = original;
  flipped[flipped.size() / 2] = char(flipped[flipped.size() / 2] ^ 1);
  put("state.safetensors", flipped);
  EXPECT_THAT(message(), HasSubstr("state.safetensors"));
  put("state.safetensors", original.substr(0, 1000));
  EXPECT_THAT(message(), HasSubstr("1000 bytes instead of"));
  fs::remove(newest + "/state.safetensors");
  EXPECT_THAT(message(), HasSubstr("state.safetensors"));
  put("state.safetensors", original);
  EXPECT_TRUE(read_checkpoint(newest).ok());
  const auto training = base::read_file(newest + "/training.json", 1 << 24).value();
  std::string other = training;
  other.replace(other.find("\"step\": 4"), 9, "\"step\": 5");
  put("training.json", other);
  EXPECT_THAT(message(), HasSubstr("training.json"));
  put("training.json", "");
  EXPECT_THAT(message(), HasSubstr("training.json"));
  fs::remove_all(newest);
  fs::create_directory(newest);
  EXPECT_THAT(message(), HasSubstr("training.json"));
  fs::remove(newest);
  fs::create_directory_symlink(newest, newest);  // leads nowhere
  EXPECT_THAT(message(), HasSubstr("training.json"));
}

TEST_F(Checkpoints, OfOtherParametersIsRefused) {
  run(1);
  Rig other("smollm2");
  other.start(std::make_unique<FixedSource>(text_batches(*other.engine, 2)), {},
              {.storage = encoding::Encoding::kF32});
  auto from = read_checkpoint(checkpoint_folder(out_, 1));
  ASSERT_TRUE(from.ok());
  EXPECT_TRUE(restore(*from, parts_of(other)).ok());
  Rig vision("smolvlm2-a");
  vision.start(std::make_unique<FixedSource>(text_batches(*vision.engine, 2)), {},
               {.vision = false, .text = false});
  const auto refused = restore(*from, parts_of(vision));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), HasSubstr("another run"));
}

// What a run left behind that was given up for an older state does not push whole ones out.
TEST_F(Checkpoints, NewerOnesOfAnAbandonedRunGo) {
  run(2);
  fs::create_directory(out_ + "/step-9");
  fs::create_directory(out_ + "/step-10");
  run(4);
  EXPECT_THAT(checkpoint_steps(out_), ElementsAre(4, 3));
}

TEST_F(Checkpoints, PartialFoldersGo) {
  fs::create_directory(out_ + "/step-3.tmp");
  std::ofstream(out_ + "/step-3.tmp/half") << "x";
  EXPECT_THAT(remove_partial(out_), ElementsAre("step-3.tmp"));
  EXPECT_FALSE(fs::exists(out_ + "/step-3.tmp"));
  std::vector<std::string> damaged;
  EXPECT_FALSE(newest_checkpoint(out_, damaged).ok());
}

TEST_F(Checkpoints, OneRunAtATime) {
  const auto first = RunLock::take(out_);
  ASSERT_TRUE(first.ok());
  const auto second = RunLock::take(out_);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.error().message(), HasSubstr("in use by pid " + std::to_string(getpid())));
  EXPECT_THAT(second.error().message(), HasSubstr("since"));
}

TEST_F(Checkpoints, TheLockGoesWithItsOwner) {
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = RunLock::take(out_);
    _exit(lock.ok() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(RunLock::take(out_).ok());
}

TEST_F(Checkpoints, AFullDiskIsFoundBefore) {
  EXPECT_TRUE(check_disk(out_, 1000).ok());
  const auto full = check_disk(out_, int64_t{1} << 60);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, base::Code::kDoesNotFit);
  EXPECT_THAT(full.error().message(), HasSubstr("space"));
}

}  // namespace
}  // namespace ocelli::train
