#include "base/cgroup.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <vector>

namespace ocelli::base {
namespace {

constexpr int kMostLevels = 64;                 // of nested groups that are looked at
constexpr int64_t kNoLimit = int64_t{1} << 60;  // version 1 writes "none" as a huge number

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<int64_t> number(std::string_view text) {
  int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc()) return std::nullopt;
  return value;
}

std::optional<int64_t> number_in(const std::string& path) {
  return number(first_line(path));
}

bool lists(std::string_view comma_separated, std::string_view word) {
  while (!comma_separated.empty()) {
    const size_t comma = std::min(comma_separated.find(','), comma_separated.size());
    if (comma_separated.substr(0, comma) == word) return true;
    comma_separated.remove_prefix(std::min(comma + 1, comma_separated.size()));
  }
  return false;
}

struct Group {
  int version = 0;
  std::string folder;
};

// The process's path in the hierarchy of `controller` ("" for version 2), from lines such as
// "4:cpu,cpuacct:/a/b" (version 1) and "0::/a/b" (version 2) of /proc/self/cgroup.
std::string path_of(const std::string& root, std::string_view controller) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = first == line.npos ? first : line.find(':', first + 1);
    if (second == line.npos) continue;
    const auto names = std::string_view(line).substr(first + 1, second - first - 1);
    if (controller.empty() ? names.empty() : lists(names, controller))
      return line.substr(second + 1);
  }
  return "/";
}

// All groups around this process that can limit `controller`, innermost first.
std::vector<Group> groups(const std::string& root, std::string_view controller) {
  std::vector<Group> found;
  std::ifstream mounts(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    // "31 23 0:28 /root /mount/point options [...] - type source super-options", see proc(5)
    std::istringstream fields(line);
    std::string skip, inside, point, type, source, options;
    fields >> skip >> skip >> skip >> inside >> point;
    while (fields >> skip && skip != "-") {
    }
    fields >> type >> source >> options;
    const int version = type == "cgroup2"                                ? 2
                        : type == "cgroup" && lists(options, controller) ? 1
                                                                         : 0;
    if (version == 0) continue;
    std::string path = path_of(root, version == 2 ? "" : controller);
    // In a container the mount may begin at the container's own group.
    if (inside != "/" && path.starts_with(inside)) path.erase(0, inside.size());
    for (int level = 0; level < kMostLevels; ++level) {
      while (path.ends_with('/')) path.pop_back();
      found.push_back({version, root + point + path});
      if (path.empty()) break;
      path.erase(std::min(path.rfind('/'), path.size()));
    }
  }
  return found;
}

// Page cache that the kernel gives back on demand: "inactive_file N" of memory.stat.
int64_t droppable(const Group& group) {
  std::ifstream stat(group.folder + "/memory.stat");
  const std::string_view wanted = group.version == 2 ? "inactive_file" : "total_inactive_file";
  std::string key;
  for (int64_t value; stat >> key >> value;) {
    if (key == wanted) return value;
  }
  return 0;
}

}  // namespace

std::optional<double> cgroup_cpu_quota(const std::string& root) {
  std::optional<double> least;
  for (const Group& group : groups(root, "cpu")) {
    std::optional<int64_t> quota, period;
    if (group.version == 2) {  // "150000 100000" or "max 100000", in microseconds
      const std::string line = first_line(group.folder + "/cpu.max");
      const size_t space = line.find(' ');
      if (space == line.npos) continue;
      quota = number(line);
      period = number(std::string_view(line).substr(space + 1));
    } else {
      quota = number_in(group.folder + "/cpu.cfs_quota_us");
      period = number_in(group.folder + "/cpu.cfs_period_us");
    }
    if (!quota || !period || *quota <= 0 || *period <= 0) continue;
    const double cpus = double(*quota) / double(*period);
    least = least ? std::min(*least, cpus) : cpus;
  }
  return least;
}

std::optional<CgroupMemory> cgroup_memory(const std::string& root) {
  std::optional<CgroupMemory> tightest;
  for (const Group& group : groups(root, "memory")) {
    const bool v2 = group.version == 2;
    const auto limit = number_in(group.folder + (v2 ? "/memory.max" : "/memory.limit_in_bytes"));
    if (!limit || *limit < 0 || *limit >= kNoLimit) continue;
    const auto used = number_in(group.folder + (v2 ? "/memory.current" : "/memory.usage_in_bytes"));
    const CgroupMemory memory{*limit, std::max<int64_t>(0, used.value_or(0) - droppable(group))};
    if (!tightest || memory.limit - memory.used < tightest->limit - tightest->used)
      tightest = memory;
  }
  return tightest;
}

}  // namespace ocelli::base
