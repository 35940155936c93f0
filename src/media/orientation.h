// EXIF orientation: where the camera's top left corner went.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace ocelli::media {

// Values 5 to 8 exchange width and height.
constexpr bool swaps_sides(int64_t orientation) {
  return orientation >= 5 && orientation <= 8;
}

// The orientation tag (274) of the first directory of a TIFF structure, with or without leading
// "Exif\0\0"; whatever integer is stored there. Nothing where the structure is broken or lacks it.
std::optional<int64_t> orientation_in_exif(std::span<const std::byte> exif);

// The first tiff:Orientation="N" or <tiff:Orientation>N of an XMP packet.
std::optional<int64_t> orientation_in_xmp(std::span<const std::byte> xmp);

// Turns a picture of width x height R, G, B pixels upright as PIL.ImageOps.exif_transpose does,
// into `out` of the same number of bytes. Orientations outside 2-8 copy.
void turn_upright(std::span<const uint8_t> stored, int width, int height, int orientation,
                  std::span<uint8_t> out);

}  // namespace ocelli::media
