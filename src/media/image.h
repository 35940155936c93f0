// A picture in memory, and what is worth knowing about the file it came from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ocelli::media {

enum class Format : uint8_t { kUnknown, kJpeg, kPng, kWebp, kGif, kBmp, kTiff, kHeic, kAvif };

// All that are decoded.
inline constexpr Format kPictureFormats[] = {Format::kJpeg, Format::kPng, Format::kWebp,
                                             Format::kGif,  Format::kBmp, Format::kTiff,
                                             Format::kHeic, Format::kAvif};

// "JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "HEIC", "AVIF".
const char* format_name(Format format);

// How the file stored its pixels, in Pillow's words.
enum class Mode : uint8_t {
  kRgb,
  kRgba,
  kGrey,
  kGreyAlpha,
  kBilevel,
  kPalette,
  kPaletteAlpha,
  kCmyk,
  kGrey16,
  kGrey16Big,
  kInt32,
  kFloat32,
};
inline constexpr Mode kLastMode = Mode::kFloat32;
// Whether every sample above 255 became white (as in Pillow).
constexpr bool saturates(Mode mode) {
  return mode == Mode::kGrey16 || mode == Mode::kGrey16Big || mode == Mode::kInt32;
}

// "RGB", "RGBA", "L", "LA", "1", "P", "PA", "CMYK", "I;16", "I;16B", "I", "F".
const char* mode_name(Mode mode);

// Facts for warnings and for --show-prompt. None of them changes what the pixels mean.
struct ImageFacts {
  Format format = Format::kUnknown;
  Mode mode = Mode::kRgb;
  int stored_width = 0, stored_height = 0;  // before the orientation was applied
  int exif_orientation = 1;                 // 1-8; the pixels are upright already
  bool had_alpha = false;                   // an alpha channel or a transparent colour
  bool sixteen_bit_grey = false;            // every sample above 255 became white (as in Pillow)
  bool animated = false;                    // this is the first frame
  bool damaged = false;                     // the JPEG decoder repaired something
};

// Rows from top to bottom, pixels from left to right, bytes R, G, B; no padding:
// rgb.size() == width * height * 3.
struct Image {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;
  ImageFacts facts;

  size_t row_bytes() const { return size_t(width) * 3; }
  const uint8_t* row(int y) const { return rgb.data() + size_t(y) * row_bytes(); }
  uint8_t* row(int y) { return rgb.data() + size_t(y) * row_bytes(); }
};

}  // namespace ocelli::media
