// Pixels to picture files.
#pragma once

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "media/image.h"

namespace ocelli::media {

// An 8-bit RGB PNG without metadata; the same bytes for the same pixels and zlib. Requires (CHECK)
// rgb.size() == width * height * 3 and at least one pixel. Errors: kDoesNotFit without memory.
base::Result<std::vector<std::byte>> encode_png(const Image& image);

}  // namespace ocelli::media
