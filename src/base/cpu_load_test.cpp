#include "base/cpu_load.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace ocelli::base {
namespace {

namespace fs = std::filesystem;

std::optional<int64_t> read(const std::string& text) {
  std::string folder = (fs::temp_directory_path() / "ocelli-load-XXXXXX").string();
  if (!mkdtemp(folder.data())) return -1;
  fs::create_directory(folder + "/proc");
  std::ofstream(folder + "/proc/loadavg") << text;
  const auto running = running_threads(folder);
  fs::remove_all(folder);
  return running;
}

TEST(RunningThreads, TheFourthWord) {
  EXPECT_EQ(read("0.31 0.28 0.30 3/412 20815\n"), 3);
  EXPECT_EQ(read("64.00 60.10 55.99 129/9000 1\n"), 129);
}

TEST(RunningThreads, NothingFromAnythingElse) {
  for (const char* text : {"", "\n", "0.1 0.2", "0.1 0.2 0.3 x/4 5", "0.1 0.2 0.3 4",
                           "0.1 0.2 0.3 -1/2 3", "0.1 0.2 0.3 99999999999999999999/4 5"})
    EXPECT_EQ(read(text), std::nullopt) << text;
  EXPECT_EQ(read(std::string(100'000, '1')), std::nullopt);
  EXPECT_EQ(running_threads("/nothing/here"), std::nullopt);
}

TEST(RunningThreads, CountsTheCaller) {
  if (!fs::exists("/proc/loadavg")) GTEST_SKIP() << "no /proc/loadavg";
  EXPECT_GE(running_threads().value(), 1);
}

}  // namespace
}  // namespace ocelli::base
