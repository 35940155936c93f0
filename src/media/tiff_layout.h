// What the first directory of a TIFF file says: our own bounded reading, before libtiff runs.
//
// TIFF 6.0 and BigTIFF: "II" or "MM", 42 or 43, offset of the first directory; a directory is a
// count, entries (tag, type, count, value or its offset) and the offset of the next directory.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "media/bytes.h"
#include "media/limits.h"

namespace ocelli::media {

enum class TiffColours : uint8_t {
  kWhiteIsZero = 0,
  kBlackIsZero,
  kRgb,
  kPalette,
  kCmyk = 5,
  kYcc
};
enum class TiffNumbers : uint8_t { kUnsigned = 1, kSigned, kFloat };
enum class TiffExtra : uint8_t { kIgnored = 0, kPremultiplied, kAlpha, kNone = 255 };

struct TiffLayout {
  uint32_t width = 0, height = 0;
  TiffColours colours = TiffColours::kWhiteIsZero;
  TiffNumbers numbers = TiffNumbers::kUnsigned;
  uint32_t bits = 1, samples = 1;      // per sample; per pixel
  TiffExtra extra = TiffExtra::kNone;  // what follows the colours
  bool separate_planes = false, tiled = false, big_endian = false, animated = false;
  uint32_t compression = 1;
  uint32_t block_width = 0, block_height = 0;  // of a tile, or of a strip: width x rows
  std::vector<uint8_t> palette = {};           // all reds, all greens, all blues
  std::optional<int64_t> orientation = {};
  Bytes xmp = {};
};

// Errors (kBadInput): a broken directory, or a kind that Pillow or this program does not read.
// Sides may still be 0 or too large; blocks are as tested by check_tiff_blocks.
base::Result<TiffLayout> read_tiff_layout(Bytes bytes);

// Refuses tiles and strips that would cost far more than the picture itself. For a picture whose
// sides are within the limits.
base::Status check_tiff_blocks(const TiffLayout& tiff, const DecodeLimits& limits);

}  // namespace ocelli::media
