#include "media/decoder_process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "media/confine.h"
#include "media/decoder_child.h"
#include "media/test_support.h"

namespace ocelli::media {
namespace {

enum : int {
  kDone = 7,
  kDenied = 8,
  kOutOfMemory = 9,
  kOther = 10,
  kUnconfined = 11,
  kUnknown = 12
};

int judge(bool succeeded) {
  if (succeeded) return kDone;
  return errno == EPERM ? kDenied : errno == ENOMEM ? kOutOfMemory : kOther;
}

int map(size_t bytes, int protection) {
  return judge(mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

// What a taken-over decoder might try, and what an honest one needs.
int confined_action(std::string_view name) {
  if (!confine().ok()) return kUnconfined;
  struct stat facts;
  char* const nothing[] = {nullptr};
  if (name == "open") return judge(open("/etc/passwd", O_RDONLY) >= 0);
  if (name == "create") return judge(open("/tmp/ocelli-test", O_CREAT | O_WRONLY, 0600) >= 0);
  if (name == "inet") return judge(socket(AF_INET, SOCK_STREAM, 0) >= 0);
  if (name == "unix") return judge(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
  if (name == "unlink") return judge(unlink("/tmp/ocelli-test") == 0);
  if (name == "signal") return judge(kill(getppid(), 0) == 0);
  if (name == "stat") return judge(stat("/", &facts) == 0);
  if (name == "exec") return judge(execve("/bin/true", nothing, nothing) == 0);
  if (name == "executable") return map(4096, PROT_READ | PROT_EXEC);
  if (name == "memfd") return judge(memfd_create("x", 0) >= 0);
  if (name == "thread")
    return judge(syscall(SYS_clone, CLONE_VM, nullptr, nullptr, nullptr, nullptr) >= 0);
  if (name == "fork")
    return judge(syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr) >= 0);
  if (name == "map too much") return map(kMaxDecoderMemory + (1 << 20), PROT_READ);
  if (name == "map enough") return map(kMaxDecoderMemory - (16 << 20), PROT_READ);
  if (name != "allocate") return kUnknown;
  const std::vector<char> block(100 << 20, 'x');
  return block[block.size() / 2] == 'x' ? kDone : kOther;
}

}  // namespace
}  // namespace ocelli::media

// The decoder process is the test program again, and so are the confined actions.
int main(int argc, char** argv) {
  if (const auto status = ocelli::media::run_as_decoder(argc, argv)) return *status;
  if (argc == 3 && std::string_view(argv[1]) == "--confined") {
    _exit(ocelli::media::confined_action(argv[2]));
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

namespace ocelli::media {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(DecoderProcess, GivesWhatDecodeGives) {
  DecoderProcess decoder;
  ASSERT_EQ(decoder.child_pid(), 0);
  const auto rows = picture_rows();
  ASSERT_GE(rows.size(), 170u);
  pid_t first = 0;
  for (const auto& row : rows) {
    SCOPED_TRACE(row[0]);
    const auto bytes = read_fixture(row[0]);
    const auto mine = decode(bytes, {.alpha = Alpha::kWhite});
    const auto theirs = decoder.decode(bytes, {.alpha = Alpha::kWhite});
    ASSERT_TRUE(mine.ok() && theirs.ok()) << theirs.error().message();
    EXPECT_EQ(theirs->width, mine->width);
    EXPECT_EQ(theirs->rgb, mine->rgb);
    EXPECT_EQ(theirs->facts.mode, mine->facts.mode);
    EXPECT_EQ(theirs->facts.exif_orientation, mine->facts.exif_orientation);
    EXPECT_EQ(theirs->facts.had_alpha, mine->facts.had_alpha);
    EXPECT_EQ(theirs->facts.animated, mine->facts.animated);
    EXPECT_EQ(theirs->facts.sixteen_bit_grey, mine->facts.sixteen_bit_grey);
    if (first == 0) first = decoder.child_pid();
  }
  EXPECT_EQ(decoder.child_pid(), first) << "one child serves all";
}

TEST(DecoderProcess, PassesErrorsOn) {
  DecoderProcess decoder;
  auto bytes = read_fixture("420.jpg");
  bytes.resize(bytes.size() / 2);
  const auto mine = decode(bytes), theirs = decoder.decode(bytes);
  ASSERT_FALSE(mine.ok() || theirs.ok());
  EXPECT_EQ(theirs.error().message(), mine.error().message());
  EXPECT_TRUE(decoder.decode(read_fixture("420.jpg")).ok());
}

TEST(DecoderProcess, ReplacesAChildKilledBetweenPictures) {
  DecoderProcess decoder;
  const auto bytes = read_fixture("rgb8.png");
  ASSERT_TRUE(decoder.start().ok());
  for (int i = 0; i < 3; ++i) {
    const pid_t before = decoder.child_pid();
    ASSERT_GT(before, 0);
    ASSERT_EQ(kill(before, SIGKILL), 0);
    siginfo_t info;
    ASSERT_EQ(waitid(P_PID, id_t(before), &info, WEXITED | WNOWAIT), 0);
    EXPECT_TRUE(decoder.decode(bytes).ok());
    EXPECT_NE(decoder.child_pid(), before);
  }
}

// A child that is stopped holds its request until something happens to it.
TEST(DecoderProcess, AChildKilledDuringAPictureCostsOneError) {
  DecoderProcess decoder;
  const auto bytes = read_fixture("rgb8.png");
  ASSERT_TRUE(decoder.start().ok());
  for (int i = 0; i < 3; ++i) {
    const pid_t pid = decoder.child_pid();
    ASSERT_EQ(kill(pid, SIGSTOP), 0);
    std::thread killer([pid] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      kill(pid, SIGKILL);
    });
    const auto image = decoder.decode(bytes);
    killer.join();
    ASSERT_FALSE(image.ok());
    EXPECT_EQ(image.error().message(),
              "the picture decoder failed (it was ended by signal 9); save the picture again in "
              "another format");
    EXPECT_TRUE(decoder.decode(bytes).ok()) << "the next picture finds a new child";
  }
}

TEST(DecoderProcess, AHangingChildMeetsItsDeadline) {
  DecoderProcess decoder({.deadline_seconds = 0.5});
  const auto bytes = read_fixture("rgb8.png");
  DecoderProcess other;
  ASSERT_TRUE(decoder.start().ok());
  const pid_t pid = decoder.child_pid();
  ASSERT_EQ(kill(pid, SIGSTOP), 0);
  const auto begin = std::chrono::steady_clock::now();
  const auto image = decoder.decode(bytes);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  ASSERT_FALSE(image.ok());
  EXPECT_THAT(image.error().message(),
              HasSubstr("the picture decoder failed (it took longer than 1 s)"));
  EXPECT_EQ(kill(pid, 0), -1) << "the hanging child is gone";
  EXPECT_TRUE(other.decode(bytes).ok());
}

TEST(DecoderProcess, EndsWithItsOwner) {
  pid_t pid;
  {
    DecoderProcess decoder;
    ASSERT_TRUE(decoder.start().ok());
    pid = decoder.child_pid();
  }
  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST(DecoderProcess, ManyThreadsShareOneChild) {
  DecoderProcess decoder;
  const auto bytes = read_fixture("420.jpg");
  const auto expected = decode(bytes);
  ASSERT_TRUE(expected.ok());
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) {
        const auto image = decoder.decode(bytes);
        right += image.ok() && image->rgb == expected->rgb;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(right, 20);
}

TEST(DecoderProcess, SaysWhatIsWrongWithTheProgram) {
  DecoderProcess missing({.program = "/nonexistent/program"});
  const auto none = missing.decode(read_fixture("rgb8.png"));
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.error().message(), HasSubstr("No such file"));
  DecoderProcess wrong({.program = "/bin/true"});
  const auto other = wrong.decode(read_fixture("rgb8.png"));
  ASSERT_FALSE(other.ok());
  EXPECT_THAT(other.error().message(), HasSubstr("does not start"));
}

std::string text_of_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The running child as the system sees it. Only root may look at the last two of a process that
// forbids tracing.
TEST(DecoderProcess, HasNoFilesAndNoSecrets) {
  setenv("OCELLI_SECRET_FOR_TEST", "key", 1);
  const int first = open("/dev/zero", O_RDONLY);
  const int leaked =
      fcntl(first, F_DUPFD, 100);  // not one of the child's own numbers, no O_CLOEXEC
  DecoderProcess decoder;
  ASSERT_TRUE(decoder.start().ok());
  const std::string proc = "/proc/" + std::to_string(decoder.child_pid());
  const std::string status = text_of_file(proc + "/status");
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1"));
  EXPECT_THAT(status, HasSubstr("Seccomp:\t2"));
  EXPECT_THAT(text_of_file(proc + "/environ"), Not(HasSubstr("OCELLI_SECRET_FOR_TEST")));
  if (std::filesystem::exists(proc + "/fd/3")) {
    EXPECT_FALSE(std::filesystem::exists(proc + "/fd/" + std::to_string(leaked)));
    EXPECT_EQ(std::filesystem::read_symlink(proc + "/fd/2"), "/dev/null");
  }
  close(leaked);
  close(first);
  unsetenv("OCELLI_SECRET_FOR_TEST");
}

// Each action runs in a fresh, confined process, this program again; its result is the exit status.
class Confine : public testing::Test {
 protected:
  static int status_of(const char* action) {
    std::string program = "/proc/self/exe", option = "--confined", name = action;
    char* arguments[] = {program.data(), option.data(), name.data(), nullptr};
    pid_t pid = 0;
    if (posix_spawn(&pid, program.c_str(), nullptr, nullptr, arguments, environ) != 0) return 300;
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
  }
};

TEST_F(Confine, LeavesNoFilesSocketsOrProcesses) {
  for (const char* action : {"open", "create", "inet", "unix", "unlink", "signal", "stat", "exec",
                             "executable", "memfd", "thread", "fork"}) {
    EXPECT_EQ(status_of(action), kDenied) << action;
  }
}

TEST_F(Confine, LeavesMemoryAndArithmetic) {
  EXPECT_EQ(status_of("allocate"), kDone);
}

TEST_F(Confine, LimitsMemory) {
  // Sanitizers map terabytes and get no limit.
  std::ifstream statm("/proc/self/statm");
  size_t pages = 0;
  statm >> pages;
  ASSERT_GT(pages, 0u);
  if (pages > (size_t{1} << 40) / 4096) GTEST_SKIP() << "1 check skipped: a sanitizer is at work";
  EXPECT_EQ(status_of("map too much"), kOutOfMemory);
  EXPECT_EQ(status_of("map enough"), kDone);
}

}  // namespace
}  // namespace ocelli::media
