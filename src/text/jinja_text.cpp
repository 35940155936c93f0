#include "text/jinja_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>

#include "base/utf8.h"
#include "text/jinja_case_table.h"

namespace ocelli::text::jinja {
namespace {

using base::next_utf8;

// Where the character that ends before `end` starts.
size_t previous(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && end - at < 4 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

// A set of characters, quick to ask however large it is.
class CharSet {
 public:
  explicit CharSet(std::string_view chars) {
    for (size_t at = 0; at < chars.size();) {
      const auto byte = static_cast<unsigned char>(chars[at]);
      if (byte < 128) {
        ascii_[byte] = true;
        ++at;
        continue;
      }
      const base::Utf8Char c = next_utf8(chars, at);
      others_.push_back(c.code_point);
      at += c.bytes;
    }
    std::sort(others_.begin(), others_.end());
  }
  bool has(uint32_t code) const {
    if (code < 128) return ascii_[code];
    return std::binary_search(others_.begin(), others_.end(), code);
  }

 private:
  bool ascii_[128] = {};
  std::vector<uint32_t> others_;
};

// Knuth, Morris and Pratt: `text` and `what` are read through at(i), so that the same code
// searches from the back.
template <class At, class What>
size_t search(size_t text_size, At at, size_t what_size, What what) {
  std::vector<uint32_t> back(what_size, 0);
  for (size_t i = 1, k = 0; i < what_size; ++i) {
    while (k > 0 && what(i) != what(k)) k = back[k - 1];
    if (what(i) == what(k)) ++k;
    back[i] = static_cast<uint32_t>(k);
  }
  for (size_t i = 0, k = 0; i < text_size; ++i) {
    while (k > 0 && at(i) != what(k)) k = back[k - 1];
    if (at(i) == what(k)) ++k;
    if (k == what_size) return i + 1 - k;
  }
  return std::string_view::npos;
}

constexpr size_t kShortNeedle = 8;

}  // namespace

bool is_space(uint32_t c) {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

size_t leading_space(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const base::Utf8Char c = next_utf8(text, at);
    if (!is_space(c.code_point)) break;
    at += c.bytes;
  }
  return at;
}

std::string_view strip_left(std::string_view text) { return text.substr(leading_space(text)); }

std::string_view strip_right(std::string_view text) {
  while (!text.empty()) {
    const size_t at = previous(text, text.size());
    if (!is_space(next_utf8(text, at).code_point)) break;
    text = text.substr(0, at);
  }
  return text;
}

std::string_view strip_left(std::string_view text, std::string_view chars) {
  const CharSet set(chars);
  while (!text.empty()) {
    const base::Utf8Char c = next_utf8(text, 0);
    if (!set.has(c.code_point)) break;
    text.remove_prefix(c.bytes);
  }
  return text;
}

std::string_view strip_right(std::string_view text, std::string_view chars) {
  const CharSet set(chars);
  while (!text.empty()) {
    const size_t at = previous(text, text.size());
    if (!set.has(next_utf8(text, at).code_point)) break;
    text = text.substr(0, at);
  }
  return text;
}

size_t name_length(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const base::Utf8Char c = next_utf8(text, at);
    bool good = c.code_point == '_' || (c.code_point < 0x80 && std::isalnum(text[at]) != 0);
    if (c.code_point >= 0x80 && c.valid) {
      const utf8proc_category_t kind = utf8proc_category(static_cast<int>(c.code_point));
      const bool letter = (kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO) ||
                          kind == UTF8PROC_CATEGORY_NL;
      good = letter || (at > 0 && (kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_MC ||
                                   kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_PC));
    }
    if (!good || (at == 0 && text[0] >= '0' && text[0] <= '9')) break;
    at += c.bytes;
  }
  return at;
}

size_t count_chars(std::string_view text) {
  size_t count = 0;
  for (char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

size_t offset_of_char(std::string_view text, size_t index) {
  size_t at = 0;
  for (; at < text.size() && index > 0; --index) at += next_utf8(text, at).bytes;
  return at;
}

size_t find_first(std::string_view text, std::string_view what, size_t from, size_t to) {
  to = std::min(to, text.size());
  if (from > to || what.size() > to - from) return std::string_view::npos;
  const std::string_view part = text.substr(from, to - from);
  if (what.size() <= kShortNeedle) {
    const size_t found = part.find(what);
    return found == std::string_view::npos ? found : from + found;
  }
  const size_t found = search(part.size(), [&](size_t i) { return part[i]; }, what.size(),
                              [&](size_t i) { return what[i]; });
  return found == std::string_view::npos ? found : from + found;
}

size_t find_last(std::string_view text, std::string_view what, size_t from, size_t to) {
  to = std::min(to, text.size());
  if (from > to || what.size() > to - from) return std::string_view::npos;
  const std::string_view part = text.substr(from, to - from);
  if (what.size() <= kShortNeedle) {
    const size_t found = part.rfind(what);
    return found == std::string_view::npos ? found : from + found;
  }
  const size_t found = search(
      part.size(), [&](size_t i) { return part[part.size() - 1 - i]; }, what.size(),
      [&](size_t i) { return what[what.size() - 1 - i]; });
  return found == std::string_view::npos ? found : to - found - what.size();
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep) {
  std::vector<std::string_view> lines;
  size_t start = 0;
  for (size_t at = 0; at < text.size();) {
    const base::Utf8Char c = next_utf8(text, at);
    const uint32_t p = c.code_point;
    const size_t end = at;
    at += c.bytes;
    if (!((p >= 10 && p <= 13) || (p >= 28 && p <= 30) || p == 0x85 || p == 0x2028 ||
          p == 0x2029)) {
      continue;
    }
    if (p == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.push_back(text.substr(start, (keep ? at : end) - start));
    start = at;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

double parse_double(std::string_view text) {
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc::result_out_of_range) {
    // from_chars does not say which side; the exponent's sign does.
    const size_t e = text.find_first_of("eE");
    const bool small = e != std::string_view::npos && text.substr(e + 1, 1) == "-";
    return small ? 0.0 : std::numeric_limits<double>::infinity();
  }
  return value;
}

}  // namespace ocelli::text::jinja
