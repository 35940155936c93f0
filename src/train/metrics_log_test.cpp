#include "train/metrics_log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "base/file.h"

namespace ocelli::train {
namespace {

namespace fs = std::filesystem;

class MetricsLogTest : public testing::Test {
 protected:
  MetricsLogTest() {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~MetricsLogTest() override { fs::remove_all(folder_); }

  std::string text() const { return base::read_file(file(), 1 << 20).value(); }
  std::string file() const { return (folder_ / "metrics.jsonl").string(); }

  void write(int64_t first, int64_t last) {
    auto log = MetricsLog::open(folder_.string(), first - 1);
    ASSERT_TRUE(log.ok()) << log.error().message();
    for (int64_t step = first; step <= last; ++step) {
      ASSERT_TRUE(log->add({step, 0.5, {{"train/loss", double(step) / 4}}}).ok());
    }
    history_ = log->history();
  }

  fs::path folder_ = fs::temp_directory_path() / ("ocelli-metrics-" + std::to_string(getpid()));
  std::vector<Metrics> history_;
};

TEST_F(MetricsLogTest, IsALineAStep) {
  write(1, 2);
  EXPECT_EQ(text(),
            "{\"step\":1,\"epoch\":0.5,\"train/loss\":0.25}\n"
            "{\"step\":2,\"epoch\":0.5,\"train/loss\":0.5}\n");
}

TEST_F(MetricsLogTest, GoingOnDropsWhatIsDoneAgainAndATornLine) {
  write(1, 5);
  std::ofstream(file(), std::ios::app) << "{\"step\":6,\"ep";
  write(4, 4);
  EXPECT_EQ(text(),
            "{\"step\":1,\"epoch\":0.5,\"train/loss\":0.25}\n"
            "{\"step\":2,\"epoch\":0.5,\"train/loss\":0.5}\n"
            "{\"step\":3,\"epoch\":0.5,\"train/loss\":0.75}\n"
            "{\"step\":4,\"epoch\":0.5,\"train/loss\":1.0}\n");
  ASSERT_EQ(history_.size(), 4u);
  EXPECT_EQ(history_[2].values[0].second, 0.75);
}

TEST_F(MetricsLogTest, ANewRunStartsAnew) {
  write(1, 5);
  write(1, 1);
  EXPECT_EQ(text(), "{\"step\":1,\"epoch\":0.5,\"train/loss\":0.25}\n");
}

TEST_F(MetricsLogTest, WhatIsNotFiniteIsNull) {
  auto log = MetricsLog::open(folder_.string(), 0);
  ASSERT_TRUE(log.ok());
  ASSERT_TRUE(log->add({1, 0, {{"eval/loss", std::numeric_limits<double>::infinity()}}}).ok());
  EXPECT_EQ(text(), "{\"step\":1,\"epoch\":0.0,\"eval/loss\":null}\n");
}

}  // namespace
}  // namespace ocelli::train
