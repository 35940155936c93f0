#include "text/unicode_classes.h"

#include <cstring>

#include "base/check.h"

namespace ocelli::text {

const CharClasses& CharClasses::get() {
  static const CharClasses classes;
  return classes;
}

CharClasses::CharClasses() {
  size_t distinct = 0, range = 0;
  uint8_t current = 0;
  for (size_t block = 0; block < kBlocks; ++block) {
    uint8_t row[256];
    for (uint32_t i = 0; i < 256; ++i) {
      const uint32_t code_point = static_cast<uint32_t>(block << 8) + i;
      if (range < kUnicodeRangeCount && kUnicodeRanges[range] >> 8 == code_point)
        current = static_cast<uint8_t>(kUnicodeRanges[range++]);
      row[i] = current;
    }
    // Neighbours mostly repeat: the last block is enough to look at for long uniform runs, the
    // rest is searched among the few hundred distinct ones.
    size_t same = distinct;
    for (size_t k = distinct; k-- > 0;) {
      if (std::memcmp(blocks_[k], row, sizeof row) == 0) {
        same = k;
        break;
      }
    }
    if (same == distinct) {
      OCELLI_CHECK(distinct < kMaxDistinct, "the Unicode table outgrew kMaxDistinct");
      std::memcpy(blocks_[distinct++], row, sizeof row);
    }
    block_of_[block] = static_cast<uint16_t>(same);
  }
}

}  // namespace ocelli::text
