// EXIF orientation: where the camera's top left corner went.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "media/image.h"

namespace ocelli::media {

// Values 5 to 8 exchange width and height.
constexpr bool swaps_sides(int orientation) { return orientation >= 5 && orientation <= 8; }

// The orientation tag (274) of the first directory of a TIFF structure, with or without leading
// "Exif\0\0"; whatever integer is stored there. Nothing where the structure is broken or lacks it.
std::optional<int64_t> orientation_in_exif(std::span<const std::byte> exif);

// The first tiff:Orientation="N" or <tiff:Orientation>N of an XMP packet.
std::optional<int64_t> orientation_in_xmp(std::span<const std::byte> xmp);

// Turns the picture upright as PIL.ImageOps.exif_transpose does. 1 and values outside 1-8 change
// nothing. Sets facts.exif_orientation to 1-8.
void apply_orientation(Image& image, int64_t orientation);

}  // namespace ocelli::media
