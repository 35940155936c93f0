// How much memory this process takes and how much there is, in bytes.
#pragma once

#include <cstdint>
#include <string>

namespace ocelli::base {

struct ProcessMemory {
  int64_t now = 0;   // resident: anonymous, file pages in use and shared ones
  int64_t peak = 0;  // most of it at any time (VmHWM)
};

// Zeros where the system does not say. `root` is put before /proc and /sys by tests.
ProcessMemory process_memory(const std::string& root = "");

struct SystemMemory {
  int64_t total = 0;      // of the machine or, where tighter, of this process's control group
  int64_t available = 0;  // can be taken now without swapping
};

SystemMemory system_memory(const std::string& root = "");

}  // namespace ocelli::base
