// Pictures to measure with that need no files: coloured shapes, the same for everybody.
#pragma once

#include "media/image.h"

namespace ocelli::quantize {

// Two to five discs, boxes, triangles and striped areas of clear colours on a soft gradient, drawn
// with integers alone. Requires 8 <= side <= 4096.
media::Image draw_picture(uint64_t seed, int side);

}  // namespace ocelli::quantize
