// What the boxes of a HEIC or AVIF file say about its primary picture, before libheif runs.
//
// ISO/IEC 14496-12 boxes (size, four letters, content) with the "meta" box of ISO/IEC 23008-12:
// "pitm" names the primary item, "iprp" holds properties ("ispe" size, "irot" quarter turns,
// "clap" crop) and which items have them, in the order in which they apply.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "media/bytes.h"
#include "media/image.h"

namespace ocelli::media {

// kHeic or kAvif where the brands of the file say so, else kUnknown.
Format heif_format(Bytes bytes);

// Tiles of a grid and the like. A telephone's 48 megapixels have some 200.
inline constexpr uint64_t kMaxHeifParts = 4096;

struct HeifLayout {
  uint32_t width = 0, height = 0;  // with crop and turns applied, as libheif gives it
  bool animated = false;           // the file says that it is a sequence too
};

// Errors (kBadInput): boxes that lie outside, no primary picture or none with a size, pictures made
// of themselves or of too many. Near-linear time.
base::Result<HeifLayout> read_heif_layout(Format format, Bytes bytes);

}  // namespace ocelli::media
