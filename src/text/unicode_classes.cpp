#include "text/unicode_classes.h"

#include <algorithm>

#include "base/check.h"

namespace ocelli::text {

const CharClasses& CharClasses::get() {
  static const CharClasses classes;
  return classes;
}

CharClasses::CharClasses() {
  // Blocks of one class throughout, most of them, are shared; the others are hardly ever alike.
  constexpr uint16_t kNotMade = UINT16_MAX;
  uint16_t uniform[256];
  std::fill_n(uniform, 256, kNotMade);
  uint16_t made = 0;
  size_t range = 0;
  uint8_t current = 0;
  for (uint32_t block = 0; block < kBlocks; ++block) {
    const uint32_t end = (block + 1) << 8;
    const auto next = [&] { return range < kUnicodeRangeCount ? kUnicodeRanges[range] >> 8 : end; };
    const bool is_uniform = next() >= end;
    if (is_uniform && uniform[current] != kNotMade) {
      block_of_[block] = uniform[current];
      continue;
    }
    OCELLI_CHECK(made < kMaxDistinct, "the Unicode table outgrew kMaxDistinct");
    for (uint32_t c = block << 8; c < end; ++c) {
      if (next() == c) current = static_cast<uint8_t>(kUnicodeRanges[range++]);
      blocks_[made][c & 255] = current;
    }
    if (is_uniform) uniform[current] = made;
    block_of_[block] = made++;
  }
}

}  // namespace ocelli::text
