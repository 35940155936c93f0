// Writing checkpoints, cut off at every call to the system: the one before or the new one is whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "train/checkpoint.h"
#include "crash_faults.h"

namespace ocelli::train {
namespace {

namespace fs = std::filesystem;
using test::Fault;
using test::killed;
using test::set_fault;

// A few parameters without a model, and a state for each step.
class CrashTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/ocelli-crash-XXXXXX";
    ASSERT_TRUE(mkdtemp(path));
    out_ = path;
    for (const char* name : {"a.weight", "b.weight"}) {
      Parameter p;
      p.name = name;
      p.shape = {8, 4};
      p.count = 32;
      auto& memory = memory_.emplace_back(std::make_unique<float[]>(64));
      p.value = memory.get();
      p.grad = memory.get() + 32;
      ASSERT_TRUE(parameters_.add(p).ok());
    }
    optimizer_.emplace(Optimizer::create({}, parameters_.all()).value());
  }
  void TearDown() override {
    set_fault(Fault::kNone, 0);
    fs::remove_all(out_);
  }

  // The numbers of a step tell its number.
  void fill(int64_t step) {
    for (const Parameter& p : parameters_.all()) std::fill_n(p.value, p.count, float(step));
    for (const StateTensor& s : optimizer_->state()) {
      std::fill_n(reinterpret_cast<float*>(s.bytes.data()), s.bytes.size() / 4, float(-step));
    }
  }

  CheckpointParts parts() {
    return {parameters_, *optimizer_, nullptr, [](const std::string& folder) -> base::Status {
              std::error_code error;
              fs::create_directory(folder, error);
              if (error) return base::errno_error(error.value(), "create", folder);
              return base::write_file_atomically(folder + "/adapter_model.safetensors", "weights");
            }};
  }

  base::Status keep(int64_t step, bool best = false) {
    fill(step);
    CheckpointKeeper keeper({out_, limit_, {"base", base::Json::object(), "data"}, {}}, parts());
    TrainState state;
    state.step = step;
    if (best) best_ = step;
    state.best_step = best_;
    return keeper.keep(state, best);
  }

  // The newest whole one, whose numbers must be its own. -1: none.
  int64_t newest() {
    std::vector<std::string> damaged;
    const auto found = newest_checkpoint(out_, damaged);
    EXPECT_TRUE(damaged.empty()) << damaged.front();
    if (!found.ok()) return -1;
    EXPECT_TRUE(restore(*found, parts()).ok());
    for (const Parameter& p : parameters_.all()) {
      EXPECT_EQ(p.value[0], float(found->state.step));
      EXPECT_EQ(p.value[p.count - 1], float(found->state.step));
    }
    return found->state.step;
  }

  // Calls that one more checkpoint takes.
  long calls_of_one(int64_t step, bool best) {
    set_fault(Fault::kKill, 1 << 30);
    EXPECT_TRUE(keep(step, best).ok());
    const long n = test::calls();
    set_fault(Fault::kNone, 0);
    return n;
  }

  // Cuts off the writing of step after step, each at a later call; returns how often.
  int cut_everywhere(Fault fault, bool best) {
    int64_t last = newest();
    long n = calls_of_one(++last, best);
    int points = 0;
    for (long at = 1; at <= n + 5; ++at) {
      int status = 0;
      const bool cut = killed(
          [&] {
            set_fault(fault, at);
            return keep(last + 1, best).ok() ? 0 : 1;
          },
          status);
      points += cut;
      const int64_t now = newest();
      EXPECT_TRUE(now == last || now == last + 1) << "cut at call " << at << ": " << now;
      EXPECT_TRUE(cut || now == last + 1) << "call " << at << ", status " << status;
      last = std::max(last, now);
      if (best && now == last) best_ = std::max(best_, now);
      if (HasFailure()) return points;
    }
    // And the next one is written as if nothing had been.
    EXPECT_TRUE(keep(last + 1).ok());
    EXPECT_EQ(newest(), last + 1);
    for (const auto& entry : fs::directory_iterator(out_)) {
      EXPECT_EQ(entry.path().extension(), "") << entry.path();  // no leftovers
    }
    return points;
  }

  std::string out_;
  int64_t limit_ = 2, best_ = -1;
  ParameterSet parameters_;
  std::vector<std::unique_ptr<float[]>> memory_;
  std::optional<Optimizer> optimizer_;
};

TEST_F(CrashTest, KilledAtEveryCallTheOldOrTheNewOneIsWhole) {
  ASSERT_TRUE(keep(1).ok());
  int points = 0;
  for (const int64_t limit : {2, 1, 3}) {
    for (const bool best : {false, true}) {
      limit_ = limit;
      points += cut_everywhere(Fault::kKill, best);
      ASSERT_FALSE(HasFailure());
    }
  }
  EXPECT_GE(points, 200);
  RecordProperty("points", points);
}

TEST_F(CrashTest, TheVeryFirstOne) {
  for (long at = 1; at < 60; ++at) {
    int status = 0;
    killed(
        [&] {
          set_fault(Fault::kKill, at);
          return keep(1).ok() ? 0 : 1;
        },
        status);
    const int64_t now = newest();
    EXPECT_TRUE(now == -1 || now == 1);
    if (now == 1) break;
  }
  EXPECT_TRUE(keep(1).ok());
  EXPECT_EQ(newest(), 1);
}

TEST_F(CrashTest, PowerLossAtEveryCall) {
  ASSERT_TRUE(keep(1).ok());
  int points = 0;
  for (const int64_t limit : {2, 1}) {
    limit_ = limit;
    points += cut_everywhere(Fault::kPowerLoss, false);
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GE(points, 40);
}

// A full disk, a quota, a disk that fails in the middle of a write, a signal: gone on with, or an
// error with its code and place, the older ones as they were, and the next one succeeds.
TEST_F(CrashTest, AFullDiskAtEveryCallLosesNothing) {
  ASSERT_TRUE(keep(1).ok());
  int64_t last = 1;
  int errors = 0;
  for (const Fault fault : {Fault::kFullDisk, Fault::kQuota, Fault::kShort, Fault::kSignal}) {
    const bool full = fault == Fault::kFullDisk || fault == Fault::kQuota;
    const long n = calls_of_one(++last, false);
    for (long at = 1; at <= n; ++at) {
      set_fault(fault, at);
      const base::Status kept = keep(last + 1);
      set_fault(Fault::kNone, 0);
      if (!kept.ok()) {
        ++errors;
        EXPECT_NE(kept.error().message().find(out_), std::string::npos) << kept.error().message();
        EXPECT_TRUE(!full || kept.error().code == base::Code::kDoesNotFit);
        const int64_t now = newest();
        EXPECT_TRUE(now == last || now == last + 1) << at;
      } else {
        EXPECT_EQ(newest(), last + 1) << at;
      }
      last = newest();
      ASSERT_FALSE(HasFailure()) << "call " << at;
    }
  }
  EXPECT_GE(errors, 20);
}

}  // namespace
}  // namespace ocelli::train
