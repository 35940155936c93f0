// What the headers of a Windows bitmap say, in Pillow's reading of them.
//
// File header (14 bytes: "BM", file size, reserved, offset of the pixels), then an information
// header of 12 (OS/2), 40, 52, 56, 64, 108 or 124 bytes, three colour masks behind a 40-byte one
// with bit fields, and a palette of B, G, R (OS/2) or B, G, R, 0. Rows go from bottom to top unless
// the height is negative, and are padded to 4 bytes.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "media/bytes.h"
#include "media/image.h"

namespace ocelli::media {

enum class BmpPixels : uint8_t {
  kIndexed,  // bits_per_pixel bits each, the first in the highest bits
  kBytes,    // whole bytes, where `order` says
  kBgr555,   // 16 bits little-endian, blue in the lowest
  kBgr565,
};

struct BmpLayout {
  uint32_t width = 0, height = 0;
  bool top_down = false;
  Mode mode = Mode::kRgb;  // kBilevel and kGrey: the palette says no more than the numbers
  BmpPixels pixels = BmpPixels::kIndexed;
  uint32_t bits_per_pixel = 0;  // as they are read; Pillow reads grey ramps as 8, black/white as 1
  uint64_t row_stride = 0;      // bytes; the last row may lack its padding
  int8_t order[4] = {2, 1, 0, -1};  // which byte of a pixel is R, G, B, alpha; -1: not there
  bool run_lengths = false;         // compressed, codes of 4 or 8 bits
  bool half_bytes = false;
  Bytes palette = {};         // perhaps cut short
  uint32_t palette_step = 4;  // bytes per entry
  uint64_t pixels_at = 0;     // offset in the file, perhaps behind its end
};

// Errors (kBadInput): cut short, or of a kind that Pillow refuses too.
base::Result<BmpLayout> read_bmp_layout(Bytes bytes);

}  // namespace ocelli::media
