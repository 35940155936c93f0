#include "crash_faults.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace ocelli::test {
namespace {

Fault fault_now = Fault::kNone;
long fault_at = 0, count = 0;
bool dirty[1024];  // by file descriptor: written and not synced
std::vector<std::pair<std::string, std::string>> renames;  // that no folder has been synced after

long raw_rename(const char* from, const char* to) {
  return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

[[noreturn]] void end(bool power) {
  if (power) {
    for (int fd = 0; fd < 1024; ++fd) {
      if (!dirty[fd]) continue;
      const off_t size = lseek(fd, 0, SEEK_END);
      if (size > 0 && ftruncate(fd, size / 2) != 0) _exit(99);
    }
    for (auto r = renames.rbegin(); r != renames.rend(); ++r) {
      if (raw_rename(r->second.c_str(), r->first.c_str()) != 0) continue;
    }
  }
  raise(SIGKILL);
  _exit(98);
}

// True where the call is to fail with errno.
bool counted() {
  if (fault_now == Fault::kNone) return false;
  ++count;
  if (count == fault_at && fault_now == Fault::kKill) end(false);
  if (count == fault_at && fault_now == Fault::kPowerLoss) end(true);
  const int number = fault_now == Fault::kFullDisk ? ENOSPC
                     : fault_now == Fault::kQuota  ? EDQUOT
                     : fault_now == Fault::kSignal ? EINTR
                                                   : 0;
  if (count == fault_at && number != 0) {
    errno = number;
    return true;
  }
  if (count == fault_at + 1 && fault_now == Fault::kShort) {
    errno = EIO;
    return true;
  }
  return false;
}

}  // namespace

void set_fault(Fault fault, long at) {
  fault_now = fault;
  fault_at = at;
  count = 0;
  renames.clear();
  std::memset(dirty, 0, sizeof dirty);
}

long calls() {
  return count;
}

bool killed(const std::function<int()>& body, int& status) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int how = 0;
  while (waitpid(child, &how, 0) < 0 && errno == EINTR) {
  }
  status = WIFEXITED(how) ? WEXITSTATUS(how) : -1;
  return WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL;
}

}  // namespace ocelli::test

// In the place of the C library's, for everything in this program.
using ocelli::test::counted;

extern "C" {

ssize_t write(int fd, const void* data, size_t size) {
  if (fd > 2 && counted()) return -1;
  const bool cut = fd > 2 && ocelli::test::fault_now == ocelli::test::Fault::kShort &&
                   ocelli::test::count == ocelli::test::fault_at;
  if (fd > 2 && fd < 1024) ocelli::test::dirty[fd] = true;
  return syscall(SYS_write, fd, data, cut && size > 1 ? size_t{1} : size);
}

int fsync(int fd) {
  if (counted()) return -1;
  const int result = int(syscall(SYS_fsync, fd));
  if (fd < 1024) ocelli::test::dirty[fd] = false;
  if ((fcntl(fd, F_GETFL) & O_DIRECTORY) != 0) ocelli::test::renames.clear();
  return result;
}

int rename(const char* from, const char* to) noexcept {
  if (counted()) return -1;
  const long result = ocelli::test::raw_rename(from, to);
  if (result == 0 && ocelli::test::fault_now != ocelli::test::Fault::kNone) {
    ocelli::test::renames.emplace_back(from, to);
  }
  return int(result);
}

int mkdir(const char* path, mode_t mode) noexcept {
  if (counted()) return -1;
  return int(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

int unlink(const char* path) noexcept {
  if (counted()) return -1;
  return int(syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

int unlinkat(int folder, const char* path, int flags) noexcept {
  if (counted()) return -1;
  return int(syscall(SYS_unlinkat, folder, path, flags));
}

int fchmod(int fd, mode_t mode) noexcept {
  if (counted()) return -1;
  return int(syscall(SYS_fchmod, fd, mode));
}

}  // extern "C"
