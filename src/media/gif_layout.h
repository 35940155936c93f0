// Where things are in a GIF file: our own walk over its blocks, before a codec runs.
//
// GIF89a (www.w3.org/Graphics/GIF/spec-gif89a.txt): signature, screen (size, palette), then
// extensions '!', pictures ',' and the end ';'. Data lies in blocks of a length byte and 1-255
// bytes; a block of length 0 ends them.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "media/bytes.h"

namespace ocelli::media {

struct GifLayout {
  // The picture's size: the screen, enlarged where the first frame sticks out (as in Pillow).
  uint32_t width = 0, height = 0;
  uint32_t left = 0, top = 0, frame_width = 0, frame_height = 0;
  bool interlaced = false;
  Bytes global_palette = {}, local_palette = {};  // R, G, B
  Bytes frame = {};  // the first frame: descriptor, palette, data without the last empty block
  std::optional<uint8_t> transparent = {};  // palette index
  bool animated = false;                    // a second frame follows
};

// Errors (kBadInput): the file ends before the first frame does, or has none. Linear time.
base::Result<GifLayout> read_gif_layout(Bytes bytes);

}  // namespace ocelli::media
