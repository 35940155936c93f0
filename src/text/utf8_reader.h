// Reads text that is known to be UTF-8, without the tests that base/utf8.h makes on every
// character.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "text/unicode_classes.h"

namespace ocelli::text {

struct Char {
  uint32_t code_point;
  uint32_t bytes;
};

// Requires at < text.size(), at the start of a character of valid UTF-8.
inline Char read_char(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return uint32_t{static_cast<uint8_t>(text[at + i])}; };
  const uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 31) << 6 | (byte(1) & 63), 2};
  if (lead < 0xF0) return {(lead & 15) << 12 | (byte(1) & 63) << 6 | (byte(2) & 63), 3};
  return {(lead & 7) << 18 | (byte(1) & 63) << 12 | (byte(2) & 63) << 6 | (byte(3) & 63), 4};
}

// Start of the character before `at`. Requires 0 < at <= text.size().
inline size_t previous_char(std::string_view text, size_t at) {
  do {
    --at;
  } while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80);
  return at;
}

// Walks over the classes of characters.
class ClassReader {
 public:
  explicit ClassReader(std::string_view text) : text_(text), classes_(CharClasses::get()) {}

  size_t size() const { return text_.size(); }
  char byte(size_t at) const { return text_[at]; }
  // Classes of the character at `at`; `next` is set to the one after it.
  uint8_t at(size_t at, size_t& next) const {
    const Char c = read_char(text_, at);
    next = at + c.bytes;
    return classes_.of(c.code_point);
  }
  // First place from `at` whose character has none of the classes of `mask` (or, with `not_in`,
  // that has one of them).
  size_t skip(size_t at, uint8_t mask, bool not_in = false) const {
    size_t next = at;
    while (at < text_.size() && ((this->at(at, next) & mask) != 0) != not_in) at = next;
    return at;
  }

 private:
  std::string_view text_;
  const CharClasses& classes_;
};

}  // namespace ocelli::text
