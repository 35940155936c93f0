// Which characters do more to a terminal than to be shown. What comes from outside (a model's
// words, names of files, texts of files) has them made visible before it is printed.
#pragma once

#include <cstdint>

namespace ocelli::base {

// C0 and C1 controls with DEL (escape sequences begin with them), line feed and tab included, as
// not every place wants them; the explicit directions and isolates of UAX #9, which show text in
// another order than it has; Unicode's own line ends; the interlinear annotations.
constexpr bool steers_terminal(uint32_t code_point) {
  struct Range {
    uint32_t first, last;
  };
  constexpr Range kRanges[] = {{0x00, 0x1f},     {0x7f, 0x9f},     {0x61c, 0x61c},
                               {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x206f},
                               {0xfff9, 0xfffb}};
  for (const Range& r : kRanges) {
    if (code_point >= r.first && code_point <= r.last) return true;
  }
  return false;
}

}  // namespace ocelli::base
