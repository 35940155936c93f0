// Faults in the file system: this program's own write(), fsync(), rename() and relatives, which
// count their calls and, at a chosen one, fail or end the process.
#pragma once

#include <functional>

namespace ocelli::test {

enum class Fault {
  kNone,
  kKill,       // SIGKILL before the call
  kPowerLoss,  // SIGKILL, and what was not put to disk is gone: half of each file that was not
               // synced, and names that their folder does not know yet
  kFullDisk,   // the call returns ENOSPC
  kQuota,      // EDQUOT
  kSignal,     // EINTR
  kShort,      // write() takes one byte and the next call returns EIO
};

// The `at`-th call from now on, from 1, gets the fault.
void set_fault(Fault fault, long at);
// Calls since then.
long calls();

// Runs `body` in a child process; true if it was killed, else its result is in `status`.
bool killed(const std::function<int()>& body, int& status);

}  // namespace ocelli::test
