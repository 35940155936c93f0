// The packed layout of q8 and q4 weights (encoding::Layout::kPacked of this backend), the same for
// every instruction set, and the form that rows of activations take beside them. Plain data only:
// kernels include it, see kernels.h.
//
// A packed weight is float32 scales S[strips * 16], then strips of 16 rows of W, everything aligned
// to 64 bytes; rows past the end and columns up to a whole block of 32 are zeros.
//
//   q8   for every 4 columns a step of 64 bytes: byte 4 r + i is code[row r, column i] + 128
//   q4   for every group of 128 columns a head of 64 bytes: byte 4 r + b is s | z << 4 of row r and
//        block b; then 256 bytes for each of its (up to 4) blocks: 64 for every 8 columns, whose
//        lower halves are a step of q for the first 4 and whose upper halves one for the others
//
// So a strip is one stream that a product with few rows of x reads from front to back, and steps
// are what 8-bit dot products take: 16 lanes of 4 columns.
//
// A row of x is a record of x_record_bytes(): codes (int8, or int16 where a set multiplies words)
// of whole groups, then for each group a float32 scale, an int32 sum of its codes, and four int32
// sums of its blocks; int16 codes are followed by the same as int8.
#pragma once

#include <cstdint>

#include "encoding/encoding.h"

namespace ocelli::cpu {

inline constexpr int64_t kStrip = 16, kStepColumns = 4, kStepBytes = kStrip * kStepColumns;
inline constexpr int64_t kQ8BlockBytes = encoding::kBlock * kStrip;  // of a strip
inline constexpr int64_t kQ4BlockBytes = kQ8BlockBytes / 2, kQ4HeadBytes = 64;
inline constexpr int64_t kGroupBlocks = encoding::kGroup / encoding::kBlock;
inline constexpr int kPackedOffset = 128;  // of stored q8 codes

struct PackedShape {
  int64_t strips, blocks, groups, strip_bytes;
};

// Where the parts of a record lie, in bytes.
struct RecordShape {
  int64_t scales, sums, block_sums, codes8, bytes;
};

}  // namespace ocelli::cpu
