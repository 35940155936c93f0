#include "hub/headers.h"

#include <algorithm>
#include <charconv>

#include "hub/names.h"

namespace ocelli::hub {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && std::string_view(" \t\r\n").find(text.back()) != text.npos)
    text.remove_suffix(1);
  return text;
}

}  // namespace

bool Headers::add(std::string_view line) {
  bytes_ += line.size();
  if (bytes_ > kMaxHeadBytes || lines_.size() >= kMaxHeaders) return false;
  const size_t colon = line.find(':');
  if (colon == line.npos || colon == 0) return true;
  lines_.emplace_back(lower(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
  return true;
}

void Headers::clear() {
  lines_.clear();
  bytes_ = 0;
}

std::string_view Headers::find(std::string_view name) const {
  const std::string wanted = lower(name);
  const auto found = std::find_if(lines_.begin(), lines_.end(),
                                  [&](const auto& line) { return line.first == wanted; });
  return found == lines_.end() ? std::string_view() : found->second;
}

std::optional<int64_t> parse_count(std::string_view text) {
  int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end || value < 0 || text.front() == '-')
    return std::nullopt;
  return value;
}

std::optional<ContentRange> parse_content_range(std::string_view text) {
  if (lower(text.substr(0, 6)) != "bytes ") return std::nullopt;
  text = trimmed(text.substr(6));
  const size_t dash = text.find('-'), slash = text.find('/');
  if (dash == text.npos || slash == text.npos || dash > slash) return std::nullopt;
  const auto first = parse_count(text.substr(0, dash));
  const auto last = parse_count(text.substr(dash + 1, slash - dash - 1));
  const std::string_view whole = text.substr(slash + 1);
  const auto total = whole == "*" ? std::optional<int64_t>(-1) : parse_count(whole);
  if (!first || !last || !total || *last < *first || (*total >= 0 && *last >= *total))
    return std::nullopt;
  return ContentRange{*first, *last, *total};
}

std::optional<int64_t> parse_retry_after(std::string_view text) {
  return parse_count(trimmed(text));
}

std::string next_link(std::string_view link) {
  // <address>; rel="next", <address>; rel="last"
  while (!link.empty()) {
    const size_t open = link.find('<'), close = link.find('>', open == link.npos ? 0 : open);
    if (open == link.npos || close == link.npos) return {};
    const std::string_view address = link.substr(open + 1, close - open - 1);
    link.remove_prefix(close + 1);
    const size_t comma = link.find(",");
    const std::string about = lower(link.substr(0, comma));
    if (about.find("rel=\"next\"") != about.npos || about.find("rel=next") != about.npos)
      return std::string(address);
    link = comma == link.npos ? std::string_view() : link.substr(comma + 1);
  }
  return {};
}

std::string strong_etag(std::string_view text) {
  text = trimmed(text);
  if (text.size() < 3 || text.size() > 200 || text.front() != '"' || text.back() != '"') return {};
  const std::string_view inside = text.substr(1, text.size() - 2);
  const bool plain = std::all_of(inside.begin(), inside.end(),
                                 [](char c) { return c > 0x20 && c < 0x7f && c != '"'; });
  return plain ? std::string(text) : std::string();
}

}  // namespace ocelli::hub
