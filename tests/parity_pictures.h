// The formula pictures of tools/reference/pictures.py, which says what the formula is.
#pragma once

#include <string>

#include "base/json.h"
#include "media/image.h"

namespace ocelli::parity {

// `kind` is "noise", "edges", "flat", "smooth" or "texture".
media::Image formula_picture(const std::string& kind, uint32_t seed, int width, int height);

// From {"kind": ..., "seed": ..., "width": ..., "height": ...}.
media::Image formula_picture(const base::Json& arguments);

}  // namespace ocelli::parity
