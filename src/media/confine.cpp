#include "media/confine.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

namespace ocelli::media {
namespace {

using base::Code;
using base::fail;
using base::Status;

Status refused(const char* step, int error) {
  return fail(Code::kInternal, std::string("cannot confine the picture decoder (") + step + ": " +
                                   std::strerror(error) +
                                   "); the kernel or its container does not allow it");
}

// Pages mapped now, in bytes; 0 where /proc is not there.
size_t mapped_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long pages = 0;
  const int found = std::fscanf(file, "%lu", &pages);
  std::fclose(file);
  return found == 1 ? size_t(pages) * size_t(sysconf(_SC_PAGESIZE)) : 0;
}

Status limit_resources(size_t memory) {
  constexpr size_t kOnlySanitizersMapThis = size_t{1} << 40;
  struct Limit {
    __rlimit_resource_t what;
    rlim_t value;
    const char* name;
  };
  const size_t mapped = mapped_bytes();
  const bool sanitized = mapped >= kOnlySanitizersMapThis;
  const Limit limits[] = {
      {RLIMIT_CORE, 0, "core dumps"},
      {RLIMIT_FSIZE, 0, "file size"},
      {RLIMIT_NOFILE, 16, "descriptors"},
      {RLIMIT_CPU, kMaxDecoderCpuSeconds, "CPU time"},
      {RLIMIT_AS, sanitized ? RLIM_INFINITY : rlim_t(mapped + memory), "memory"},
  };
  for (const Limit& limit : limits) {
    rlimit now = {};
    if (getrlimit(limit.what, &now) != 0) return refused(limit.name, errno);
    const rlim_t value = std::min(limit.value, now.rlim_max);
    const rlimit wanted = {value, value};
    if (setrlimit(limit.what, &wanted) != 0) return refused(limit.name, errno);
  }
  return {};
}

Status set_process_flags() {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return refused("end with the parent", errno);
  if (prctl(PR_SET_DUMPABLE, 0) != 0) return refused("no tracing", errno);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return refused("no new privileges", errno);
  return {};
}

struct ReleaseFilter {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

// Calls that are harmless whatever their arguments.
constexpr int kAllowed[] = {
    SCMP_SYS(read),          SCMP_SYS(write),
    SCMP_SYS(recvmsg),       SCMP_SYS(sendmsg),
    SCMP_SYS(close),         SCMP_SYS(munmap),
    SCMP_SYS(mremap),        SCMP_SYS(brk),
    SCMP_SYS(madvise),       SCMP_SYS(futex),
    SCMP_SYS(exit),          SCMP_SYS(exit_group),
    SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
    SCMP_SYS(nanosleep),     SCMP_SYS(clock_nanosleep),
    SCMP_SYS(sched_yield),   SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),  SCMP_SYS(sigaltstack),
    SCMP_SYS(getpid),        SCMP_SYS(gettid),
    SCMP_SYS(getrandom),     SCMP_SYS(restart_syscall),
};

Status filter_system_calls() {
  const Filter filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (filter == nullptr) return refused("system call filter", ENOMEM);
  // Argument number, comparison, and its operands: (protection & PROT_EXEC) == 0; group == ours.
  const scmp_arg_cmp not_executable = {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0};
  const scmp_arg_cmp own_process = {0, SCMP_CMP_EQ, scmp_datum_t(getpid()), 0};
  int error = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);  // all threads, if several
  for (const int call : kAllowed) {
    if (error == 0) error = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0);
  }
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
    if (error == 0) error = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 1, not_executable);
  }
  // abort() raises a signal in this process; it must not reach another.
  if (error == 0)
    error = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, own_process);
  if (error == 0) error = seccomp_load(filter.get());
  if (error != 0) return refused("system call filter", -error);
  return {};
}

}  // namespace

Status confine(size_t memory) {
  OCELLI_TRY(limit_resources(memory));
  OCELLI_TRY(set_process_flags());
  return filter_system_calls();
}

}  // namespace ocelli::media
