// The merges that a list of pieces means: every pair of pieces that together spell a third one.
#pragma once

#include "formats/pieces.h"

namespace ocelli::formats {

struct PieceMerge {
  int32_t left = 0, right = 0, id = 0;       // pieces[left] + pieces[right] == pieces[id]
  uint16_t left_chars = 0, right_chars = 0;  // their lengths in characters
};

// In the order of `order`. Requires what tokenizer_json() says of pieces and refuses the rest.
base::Result<std::vector<PieceMerge>> piece_merges(std::span<const Piece> pieces, MergeOrder order);

}  // namespace ocelli::formats
