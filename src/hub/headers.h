// The head of an HTTP answer: header lines, and the few values in them that matter here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ocelli::hub {

inline constexpr size_t kMaxHeadBytes = 64 << 10;
inline constexpr size_t kMaxHeaders = 200;

class Headers {
 public:
  // Takes one line ("Name: value\r\n"). False where the head is over a limit; a line that is no
  // header is left out.
  bool add(std::string_view line);
  void clear();
  // The first value of this name (any case), without spaces around it; "" where there is none.
  std::string_view find(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
  size_t bytes_ = 0;
};

// A whole number that is not negative, and nothing else.
std::optional<int64_t> parse_count(std::string_view text);

// "bytes 100-199/200"; `total` is -1 for "*".
struct ContentRange {
  int64_t first = 0, last = 0, total = -1;
};
std::optional<ContentRange> parse_content_range(std::string_view text);

// Seconds of Retry-After; nothing for a date or nonsense.
std::optional<int64_t> parse_retry_after(std::string_view text);

// The address of rel="next" in a Link header; "" where there is none.
std::string next_link(std::string_view link);

// A strong entity tag, in its quotes, fit to be sent back; "" for a weak, odd or long one.
std::string strong_etag(std::string_view text);

}  // namespace ocelli::hub
