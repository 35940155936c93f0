// Pictures in a terminal, as text to print: in the protocol that the terminal knows, or as coloured
// half blocks.
//
//   kitty   https://sw.kovidgoyal.net/kitty/graphics-protocol/   PNG in base64, in chunks
//   iterm   https://iterm2.com/documentation-images.html         OSC 1337, PNG in base64
//   sixel   DEC STD 070 chapter 9                                256 colours, by libsixel
//   blocks  U+2580, two pixels a character, 24-bit or 256 colours
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "media/image.h"

namespace ocelli::cli {

enum class Protocol { kNone, kKitty, kIterm, kSixel, kBlocks };

// "none", "kitty", "iterm", "sixel", "blocks".
std::string_view name(Protocol protocol);
std::optional<Protocol> protocol_from_name(std::string_view name);

struct ImageStyle {
  Protocol protocol = Protocol::kNone;
  int columns = 40, rows = 16;            // the picture takes no more character cells
  int cell_width = 10, cell_height = 20;  // pixels of a cell
  bool truecolor = true;                  // blocks: 24-bit colours, else the 256 of xterm
  bool tmux = false;                      // wrap for tmux's passthrough (kitty, iterm)
};

// Columns and rows that a picture of this size takes: its shape kept, not enlarged beyond one pixel
// a pixel (half a cell with blocks).
struct CellSize {
  int columns = 0, rows = 0;
};
CellSize cells_of(int width, int height, const ImageStyle& style);

// Ends with a line feed; "" for kNone. Takes no more memory than a few times columns x rows x cell
// pixels (at most a megapixel, whatever the terminal claims). Requires (CHECK) a picture of 1 to
// media::kMaxSide pixels a side.
base::Result<std::string> show_image(const media::Image& image, const ImageStyle& style);

}  // namespace ocelli::cli
