// What a container or a service manager grants this process (Linux control groups, version 1 and
// 2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ocelli::base {

// CPUs per second of wall time, e.g. 1.5; nothing where there is no quota. The tightest of the
// process's own group and those around it. `root` is put before /proc and /sys by tests.
std::optional<double> cgroup_cpu_quota(const std::string& root = "");

struct CgroupMemory {
  int64_t limit = 0;  // bytes
  int64_t used = 0;   // bytes, without page cache that can be dropped at once
};

// Of the group with the least left; nothing where there is no limit.
std::optional<CgroupMemory> cgroup_memory(const std::string& root = "");

}  // namespace ocelli::base
