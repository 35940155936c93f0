#include "base/memory.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string_view>

#include "base/cgroup.h"

namespace ocelli::base {
namespace {

// The number after `name` in a file of lines such as "VmHWM:    1234 kB", in bytes; or 0.
int64_t field(const std::string& path, std::string_view name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ':') continue;
    std::istringstream rest(line.substr(name.size() + 1));
    int64_t kilobytes = 0;
    rest >> kilobytes;
    return std::clamp<int64_t>(kilobytes, 0, INT64_MAX / 1024) * 1024;
  }
  return 0;
}

}  // namespace

ProcessMemory process_memory(const std::string& root) {
  const std::string path = root + "/proc/self/status";
  const int64_t now = field(path, "VmRSS");
  return {now, std::max(now, field(path, "VmHWM"))};
}

SystemMemory system_memory(const std::string& root) {
  const std::string path = root + "/proc/meminfo";
  SystemMemory memory{field(path, "MemTotal"), field(path, "MemAvailable")};
  if (const auto group = cgroup_memory(root)) {
    memory.total = std::min(memory.total, group->limit);
    memory.available = std::clamp<int64_t>(group->limit - group->used, 0, memory.available);
  }
  return memory;
}

}  // namespace ocelli::base
