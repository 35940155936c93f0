#include "cli/weights_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "base/process_test_kit.h"
#include "engine/builtin.h"

namespace ocelli::cli {
namespace {

namespace fs = std::filesystem;

using encoding::Encoding;

class WeightsCacheTest : public testing::Test {
 protected:
  WeightsCacheTest() {
    std::string pattern = (fs::temp_directory_path() / "ocelli-weights-XXXXXX").string();
    if (!mkdtemp(pattern.data())) ADD_FAILURE() << "no temporary folder";
    home_ = pattern;
    model_ = home_ + "/tiny";
    fs::copy(OCELLI_SOURCE_DIR "/assets/ocelli-tiny", model_);
  }
  ~WeightsCacheTest() override { fs::remove_all(home_); }
  std::string root() const { return home_ + "/cache/weights"; }
  std::optional<formats::ModelFolder> converted(Encoding encoding,
                                                int64_t max_bytes = int64_t{1} << 30) {
    auto out = converted_model_in(root(), max_bytes, formats::ModelFolder::open(model_).value(),
                                  encoding, 1, progress_);
    if (!out) return std::nullopt;
    fresh_ = out->fresh;
    return std::move(out->folder);
  }
  size_t entries() const {
    return size_t(std::distance(fs::directory_iterator(root()), fs::directory_iterator()));
  }

  base::NoProgress progress_;
  std::string home_, model_;
  bool fresh_ = false;
};

TEST_F(WeightsCacheTest, ConvertsOnce) {
  const auto first = converted(Encoding::kQ4);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->name(), "tiny");
  EXPECT_EQ(first->weights()->find("lm_head.weight")->dtype, "Q8");
  const auto written = fs::last_write_time(first->path() + "/model.safetensors");
  EXPECT_TRUE(fresh_);
  const auto second = converted(Encoding::kQ4);
  ASSERT_TRUE(second);
  EXPECT_FALSE(fresh_);
  EXPECT_EQ(second->path(), first->path());
  EXPECT_EQ(fs::last_write_time(second->path() + "/model.safetensors"), written);
  EXPECT_TRUE(converted(Encoding::kQ8));
  EXPECT_EQ(entries(), 2u);
}

TEST_F(WeightsCacheTest, AnotherContentIsConvertedAnew) {
  const std::string first = converted(Encoding::kQ8)->path();
  ASSERT_TRUE(base::write_file_atomically(model_ + "/NOTICE", "changed").ok());
  EXPECT_NE(converted(Encoding::kQ8)->path(), first);
}

TEST_F(WeightsCacheTest, NamesOfTheHubStay) {
  const std::string snapshot = home_ + "/models--some--tiny/snapshots/0123";
  fs::create_directories(fs::path(snapshot).parent_path());
  fs::rename(model_, snapshot);
  model_ = snapshot;
  EXPECT_EQ(converted(Encoding::kQ8)->name(), "some/tiny");
}

TEST_F(WeightsCacheTest, OldOnesMakeRoom) {
  const std::string first = converted(Encoding::kQ8)->path();
  const std::string second = converted(Encoding::kQ4, int64_t{4} << 20)->path();
  EXPECT_FALSE(fs::exists(first));
  EXPECT_TRUE(fs::exists(second));
}

TEST_F(WeightsCacheTest, OnlyTheOwnerCanLookInside) {
  const mode_t before = umask(0);
  ASSERT_TRUE(converted(Encoding::kQ8));
  umask(before);
  EXPECT_EQ(fs::status(root()).permissions(), fs::perms::owner_all);
  for (const auto& entry : fs::directory_iterator(root()))
    EXPECT_EQ(entry.status().permissions(), fs::perms::owner_all);
}

TEST_F(WeightsCacheTest, WhatIsDamagedIsMadeAgain) {
  const std::string file = converted(Encoding::kQ8)->path() + "/model.safetensors";
  const auto size = fs::file_size(file);
  fs::resize_file(file, size - 1);
  ASSERT_TRUE(converted(Encoding::kQ8));
  EXPECT_TRUE(fresh_);
  EXPECT_EQ(fs::file_size(file), size);
}

TEST_F(WeightsCacheTest, IsShownAndCleared) {
  ASSERT_TRUE(converted(Encoding::kQ8));
  const base::CacheFolder cache = weights_cache_folder(root());
  EXPECT_EQ(cache.usage()->entries, 1);
  EXPECT_GT(cache.usage()->bytes, 3 << 20);
  {
    const auto held = converted_model_in(
        root(), 1 << 30, formats::ModelFolder::open(model_).value(), Encoding::kQ8, 1, progress_);
    EXPECT_EQ(cache.clear()->entries, 0);
    EXPECT_TRUE(held->folder.weights().ok());
  }
  EXPECT_EQ(cache.clear()->entries, 1);
  EXPECT_EQ(entries(), 0u);
}

// Four processes want two encodings in a cache that holds one of them.
TEST_F(WeightsCacheTest, ManyAtTheSameTime) {
  constexpr int kProcesses = 4, kWanted = 2, kTries = 2000;
  const auto work = [&](int seed) {
    int got = 0;
    for (int i = 0; i < kTries && got < kWanted; ++i) {
      const auto out =
          converted_model_in(root(), int64_t{4} << 20, formats::ModelFolder::open(model_).value(),
                             (seed + i) % 2 ? Encoding::kQ8 : Encoding::kQ4, 1, progress_);
      if (!out) {  // somebody else is making it
        usleep(10'000);
        continue;
      }
      ++got;
      if (!out->folder.weights().ok()) return false;
    }
    return got == kWanted;
  };
  base::expect_in_processes(kProcesses, work);
  EXPECT_TRUE(converted(Encoding::kQ4)->weights().ok());
}

TEST_F(WeightsCacheTest, WhereItDoesNotHelp) {
  EXPECT_FALSE(converted(Encoding::kF32));
  EXPECT_FALSE(converted(Encoding::kQ80));
  EXPECT_FALSE(converted_model_in(root(), 1 << 30, engine::builtin_model().value(), Encoding::kQ4,
                                  1, progress_));
  model_ = converted(Encoding::kQ8)->path();  // has few bits already
  EXPECT_FALSE(converted(Encoding::kQ4));
}

}  // namespace
}  // namespace ocelli::cli
