// UTF-8, one character at a time. Never reads past the end, never accepts overlong forms,
// surrogates or code points above U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ocelli::base {

struct Utf8Char {
  uint32_t code_point = 0xFFFD;  // U+FFFD where the bytes are not UTF-8
  uint32_t bytes = 1;            // how many bytes it takes; the longest broken prefix counts as one
  bool valid = false;
};

// The character that starts at text[at]. Requires at < text.size().
// A broken sequence is taken in the way of Python's errors="replace": one U+FFFD for each
// maximal prefix of a well-formed sequence.
Utf8Char next_utf8(std::string_view text, size_t at);

void append_utf8(std::string& out, uint32_t code_point);

bool is_valid_utf8(std::string_view text);

// Every broken sequence becomes U+FFFD.
std::string replace_invalid_utf8(std::string_view text);

// How many bytes at the end of `text` are the start of a character that is not complete yet (0-3).
size_t incomplete_utf8_tail(std::string_view text);

}  // namespace ocelli::base
