#include "cli/safe_text.h"

#include <cstdint>
#include <cstdio>

#include "base/terminal_safe.h"
#include "base/utf8.h"

namespace ocelli::cli {

namespace {

void append_safe(std::string& out, uint32_t code_point) {
  if (code_point == '\n' || code_point == '\t' || !base::steers_terminal(code_point))
    return base::append_utf8(out, code_point);
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
