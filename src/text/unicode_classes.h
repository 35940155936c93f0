// The character classes that tokenizer patterns speak of: \p{L}, \p{N}, \s and relatives.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ocelli::text {

// Bits of a character's class. Two engines stand behind Hugging Face tokenizers, and their Unicode
// versions differ by a few characters, so what looks like one class may be two.
enum CharClass : uint8_t {
  kLetter = 1,   // \p{L} in a pattern
  kNumber = 2,   // \p{N} in a pattern
  kSpace = 4,    // \s in a pattern
  kNumeric = 8,  // what the Digits step isolates
  kWord = 16,    // \w beside an added token with single_word
  kStrip = 32,   // white space that an added token with lstrip or rstrip takes along
  kInert = 64,   // newer than the reference's normal forms: passes through them unchanged
};

// Generated table: code point << 8 | classes, holding up to the next entry.
inline constexpr size_t kUnicodeRangeCount = 2305;
extern const uint32_t kUnicodeRanges[kUnicodeRangeCount];

// Classes of a code point (0 above U+10FFFF). Constant time; the first call builds a table of about
// 60 KiB, thread-safely.
class CharClasses {
 public:
  static const CharClasses& get();
  uint8_t of(uint32_t code_point) const {
    if (code_point >= 0x110000) return 0;
    return blocks_[block_of_[code_point >> 8]][code_point & 255];
  }

 private:
  CharClasses();
  static constexpr size_t kBlocks = 0x110000 / 256;
  static constexpr size_t kMaxDistinct = 512;
  uint16_t block_of_[kBlocks] = {};
  uint8_t blocks_[kMaxDistinct][256] = {};
};

}  // namespace ocelli::text
