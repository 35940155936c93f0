#include "cli/safe_text.h"

#include <cstdint>
#include <cstdio>

#include "base/utf8.h"

namespace ocelli::cli {

namespace {

struct Range {
  uint32_t first, last;
};

// C0 but for tab and line feed, DEL and C1; Unicode's explicit directions and isolates (UAX #9),
// its own line ends, and the interlinear annotations that terminals draw or hide as they please.
constexpr Range kUnsafe[] = {{0x00, 0x08},     {0x0b, 0x1f},     {0x7f, 0x9f},
                             {0x61c, 0x61c},   {0x200e, 0x200f}, {0x2028, 0x202e},
                             {0x2066, 0x206f}, {0xfff9, 0xfffb}};

bool is_unsafe(uint32_t code_point) {
  for (const Range& r : kUnsafe) {
    if (code_point >= r.first && code_point <= r.last) return true;
  }
  return false;
}

void append_safe(std::string& out, uint32_t code_point) {
  if (!is_unsafe(code_point)) return base::append_utf8(out, code_point);
  char text[16];
  std::snprintf(text, sizeof text, code_point < 0x100 ? "\\x%02x" : "\\u%04x",
                unsigned(code_point));
  out += text;
}

}  // namespace

std::string SafeText::push(std::string_view piece) {
  std::string text = std::move(held_);
  text += piece;
  held_.clear();
  size_t keep = base::incomplete_utf8_tail(text);
  if (keep == 0 && text.ends_with('\r')) keep = 1;
  held_ = text.substr(text.size() - keep);
  text.resize(text.size() - keep);
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const base::Utf8Char c = base::next_utf8(text, at);
    at += c.bytes;
    const bool line_end = c.code_point == '\r' && at < text.size() && text[at] == '\n';
    if (!line_end) append_safe(out, c.code_point);
  }
  return out;
}

std::string SafeText::finish() {
  std::string out;
  const std::string text = std::move(held_);
  held_.clear();
  for (size_t at = 0; at < text.size();) {
    const base::Utf8Char c = base::next_utf8(text, at);
    append_safe(out, c.code_point);
    at += c.bytes;
  }
  return out;
}

std::string safe_text(std::string_view text) {
  SafeText filter;
  std::string out = filter.push(text);
  return out + filter.finish();
}

}  // namespace ocelli::cli
