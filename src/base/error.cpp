#include "base/error.h"

#include "base/terminal_safe.h"
#include "base/utf8.h"

namespace ocelli::base {

Error Error::in(std::string_view outer) && {
  where = where.empty() ? std::string(outer) : std::string(outer) + ": " + where;
  return std::move(*this);
}

std::string Error::message() const {
  return where.empty() ? printable(what, 4000)
                       : printable(where, 1000) + ": " + printable(what, 4000);
}

std::string printable(std::string_view text, size_t limit) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    if (out.size() >= limit) return out + "...";
    const Utf8Char c = next_utf8(text, at);
    if (c.valid && !steers_terminal(c.code_point)) {
      out.append(text.substr(at, c.bytes));
    } else {
      for (size_t i = 0; i < c.bytes; ++i) {
        const auto byte = static_cast<unsigned char>(text[at + i]);
        out += "\\x";
        out += kHex[byte >> 4];
        out += kHex[byte & 15];
      }
    }
    at += c.bytes;
  }
  return out;
}

}  // namespace ocelli::base
