// What a picture file says about itself before any codec runs.
//
// This is our own bounded reader: the limits of limits.h are tested here, so a codec never sees a
// picture that is too large, and the parent of the confined decoder knows the size of the pixels
// without trusting the child.
#pragma once

#include <cstddef>
#include <span>

#include "base/result.h"
#include "media/image.h"
#include "media/limits.h"
#include "media/orientation.h"

namespace ocelli::media {

struct Header {
  Format format = Format::kUnknown;
  int width = 0, height = 0;  // as stored; 1 to max_side each
  int64_t orientation = 1;    // as stored: from EXIF, or from XMP where EXIF has none
  bool animated = false;      // several frames; only the first is decoded

  // The size of the decoded picture.
  int upright_width() const { return swaps_sides(orientation) ? height : width; }
  int upright_height() const { return swaps_sides(orientation) ? width : height; }
};

// What the header tells of the facts; the rest takes a codec.
ImageFacts facts_of(const Header& header);

// Errors (kBadInput): empty, too many bytes, another kind of file ("unsupported: SVG; ..."), a
// broken header, a side of 0 or above the limit, too many pixels. Linear in the number of bytes.
base::Result<Header> read_header(std::span<const std::byte> bytes, const DecodeLimits& limits = {});

}  // namespace ocelli::media
