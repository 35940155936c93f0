// The packed layout of q8 and q4 weights, encoding/strips.h, and the form that rows of activations
// take beside it. Plain data only: kernels include it, see kernels.h.
//
// A row of x is a record of x_record_bytes(): codes (int8, or int16 where a set multiplies words)
// of whole groups, then for each group a float32 scale, an int32 sum of its codes, and four int32
// sums of its blocks; int16 codes are followed by the same as int8.
#pragma once

#include <cstdint>

#include "encoding/strips.h"

namespace ocelli::cpu {

using encoding::kGroupBlocks, encoding::kPackedOffset, encoding::kQ4BlockBytes;
using encoding::kQ4HeadBytes, encoding::kQ8BlockBytes, encoding::kStepBytes;
using encoding::kStepColumns, encoding::kStrip;
using PackedShape = encoding::StripShape;

// Where the parts of a record lie, in bytes.
struct RecordShape {
  int64_t scales, sums, block_sums, codes8, bytes;
};

}  // namespace ocelli::cpu
