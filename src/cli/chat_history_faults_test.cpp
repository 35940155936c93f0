// The history while it is saved: killed or out of disk at every system call, it is the old one or
// the new one. strace does the killing and the refusing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "cli/chat_history.h"

namespace ocelli::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kVariable[] = "OCELLI_TEST_HISTORY";

// What runs under strace: this program again, with this test alone. It ends without the checks for
// leaks, which do not work there.
TEST(HistoryChild, DISABLED_AddsOne) {
  const char* const path = std::getenv(kVariable);
  ASSERT_NE(path, nullptr);
  auto history = ChatHistory::open(path);
  const bool added = history.ok() && history->add("new").ok();
  std::_Exit(added ? 0 : 1);
}

class HistoryFaults : public testing::Test {
 protected:
  static constexpr char kOld[] = "first\nold\n", kNew[] = "first\nold\nnew\n";
  HistoryFaults() {
    std::string name = testing::TempDir() + "faultsXXXXXX";
    folder_ = mkdtemp(name.data());
    path_ = folder_ + "/chat-history";
    setenv(kVariable, path_.c_str(), 1);
  }
  ~HistoryFaults() override { fs::remove_all(folder_); }

  static bool missing() { return std::system("strace -o /dev/null true >/dev/null 2>&1") != 0; }

  // -SIGNAL or the exit status of one run with the fault.
  static int run(const std::string& fault) {
    const std::string self = fs::read_symlink("/proc/self/exe").string();
    const pid_t child = fork();
    if (child == 0) {
      if (!std::freopen("/dev/null", "w", stdout)) std::_Exit(127);
      execlp("strace", "strace", "-qq", "-o", "/dev/null", "-e", fault.c_str(), self.c_str(),
             "--gtest_filter=HistoryChild.DISABLED_AddsOne", "--gtest_also_run_disabled_tests",
             nullptr);
      std::_Exit(127);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }

  void put_old() const {
    fs::remove_all(folder_);
    fs::create_directory(folder_);
    std::ofstream(path_) << kOld;
  }
  std::string content() const { return base::read_file(path_, 1 << 20).value(); }
  int files() const {
    return int(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  std::string folder_, path_;
};

// Every call that the saving makes, with all those of the program's start before it.
constexpr const char* kCalls[] = {"openat", "write", "fchmod", "fsync", "rename", "close"};

TEST_F(HistoryFaults, KilledAtEachCallItIsOldOrNew) {
  if (missing()) GTEST_SKIP() << "6 calls skipped: strace is not here or may not trace";
  int old_ones = 0, new_ones = 0;
  for (const char* call : kCalls) {
    for (int n = 1; n < 100; ++n) {
      put_old();
      const int status =
          run("inject=" + std::string(call) + ":signal=KILL:when=" + std::to_string(n));
      const std::string now = content();
      ASSERT_TRUE(now == kOld || now == kNew) << call << " " << n << "\n" << now;
      ++(now == kOld ? old_ones : new_ones);
      if (status == 0) break;  // fewer than n of them
      ASSERT_EQ(status, -SIGKILL) << call << " " << n;
    }
  }
  EXPECT_GT(old_ones, 20);
  EXPECT_GE(new_ones, 6);
}

TEST_F(HistoryFaults, OutOfDiskAtEachCallItIsOldOrNewWithNothingLeftBehind) {
  if (missing()) GTEST_SKIP() << "4 calls skipped: strace is not here or may not trace";
  int refused = 0;
  for (const char* call : {"write", "fchmod", "fsync", "rename"}) {
    for (int n = 1; n < 100; ++n) {
      put_old();
      const int status =
          run("inject=" + std::string(call) + ":error=ENOSPC:when=" + std::to_string(n));
      const std::string now = content();
      ASSERT_TRUE(now == kOld || now == kNew) << call << " " << n << "\n" << now;
      EXPECT_EQ(files(), 1) << call << " " << n;
      refused += status == 1;
      if (status == 0 && n > 5) break;
      ASSERT_TRUE(status == 0 || status == 1) << call << " " << n << ": " << status;
      EXPECT_TRUE(status == 1 || now == kNew) << call << " " << n;
    }
  }
  // One of each kind at least, and the folder's fsync.
  EXPECT_GE(refused, 5);
}

}  // namespace
}  // namespace ocelli::cli
