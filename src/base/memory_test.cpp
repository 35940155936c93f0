#include "base/memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/progress.h"

namespace ocelli::base {
namespace {

TEST(Memory, GrowsWithWhatIsTouched) {
  const ProcessMemory before = process_memory();
  ASSERT_GT(before.now, 0);
  constexpr size_t kBytes = 64 << 20;
  {
    std::vector<char> block(kBytes);
    for (size_t i = 0; i < kBytes; i += 4096) static_cast<volatile char*>(block.data())[i] = 1;
    EXPECT_GE(process_memory().now, before.now + int64_t(kBytes / 2));
  }
  const ProcessMemory after = process_memory();
  EXPECT_GE(after.peak, before.now + int64_t(kBytes / 2));
  EXPECT_GE(after.peak, after.now);
}

TEST(Memory, OfTheSystem) {
  const SystemMemory memory = system_memory();
  EXPECT_GT(memory.total, int64_t{16} << 20);
  EXPECT_GT(memory.available, 0);
  EXPECT_LE(memory.available, memory.total);
}

TEST(Memory, HonoursTheControlGroup) {
  const std::string root = testing::TempDir() + "ocelli_memory_root";
  std::filesystem::create_directories(root + "/proc/self");
  std::filesystem::create_directories(root + "/cg");
  std::ofstream(root + "/proc/meminfo")
      << "MemTotal:  8000 kB\nMemFree: 1 kB\nMemAvailable: 6000 kB\n";
  EXPECT_EQ(system_memory(root).total, 8000 * 1024);
  EXPECT_EQ(system_memory(root).available, 6000 * 1024);
  std::ofstream(root + "/proc/self/mountinfo") << "30 22 0:26 / /cg rw - cgroup2 cgroup2 rw\n";
  std::ofstream(root + "/proc/self/cgroup") << "0::/\n";
  std::ofstream(root + "/cg/memory.max") << "4096000\n";
  std::ofstream(root + "/cg/memory.current") << "1096000\n";
  EXPECT_EQ(system_memory(root).total, 4096000);
  EXPECT_EQ(system_memory(root).available, 3000000);
  std::filesystem::remove_all(root);
  EXPECT_EQ(system_memory(root).total, 0);
  EXPECT_EQ(process_memory(root).peak, 0);
}

TEST(Cancel, CopiesShareTheFlag) {
  const CancelToken token;
  const CancelToken copy = token;
  EXPECT_TRUE(copy.check().ok());
  token.request();
  EXPECT_TRUE(copy.requested());
  EXPECT_EQ(copy.check().error().code, Code::kInterrupted);
  EXPECT_FALSE(CancelToken().requested());
}

TEST(Clock, NeverGoesBack) {
  Stopwatch watch;
  double last = 0;
  for (int i = 0; i < 1000; ++i) {
    const double now = watch.seconds();
    EXPECT_GE(now, last);
    last = now;
  }
  EXPECT_GE(watch.lap(), last);
  EXPECT_LT(watch.seconds(), 60.0);
}

TEST(Progress, PartsFillTheWhole) {
  struct Last : Progress {
    void update(double f, std::string_view n) override { fraction = f, note = n; }
    double fraction = -1;
    std::string note;
  } last;
  PartOfProgress part(last, 0.5, 0.75);
  part.update(0.5, "half");
  EXPECT_EQ(last.fraction, 0.625);
  EXPECT_EQ(last.note, "half");
  part.update(-1, "unknown");
  EXPECT_EQ(last.fraction, 0.5);
}

}  // namespace
}  // namespace ocelli::base
