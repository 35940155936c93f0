#include "base/cpu_load.h"

#include <charconv>
#include <fstream>
#include <string_view>

namespace ocelli::base {

std::optional<int64_t> running_threads(const std::string& root) {
  // "0.31 0.28 0.30 3/412 20815": the fourth word says how many run, and of how many.
  std::ifstream file(root + "/proc/loadavg");
  char text[128] = {};
  file.read(text, sizeof text - 1);
  std::string_view words(text);
  for (int skipped = 0; skipped < 3; ++skipped) {
    const size_t space = words.find(' ');
    if (space == words.npos) return std::nullopt;
    words.remove_prefix(space + 1);
  }
  int64_t running = 0;
  const auto read = std::from_chars(words.data(), words.data() + words.size(), running);
  if (read.ec != std::errc() || read.ptr == words.data() + words.size() || *read.ptr != '/' ||
      running < 0)
    return std::nullopt;
  return running;
}

}  // namespace ocelli::base
