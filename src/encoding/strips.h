// Layout::kPacked: q8 and q4 weights in strips of 16 rows, as products read them. The same for
// every instruction set, so that files hold it, too ("strips-16x4").
//
// Float32 scales S[strips * 16], then the strips, everything a multiple of 64 bytes; rows past the
// end are zeros, and so are columns up to a whole block of 32.
//
//   q8   for every 4 columns a step of 64 bytes: byte 4 r + i is code[row r, column i] + 128
//   q4   for every group of 128 columns a head of 64 bytes: byte 4 r + b is s | z << 4 of row r and
//        block b; then 256 bytes for each of its (up to 4) blocks: 64 for every 8 columns, whose
//        lower halves are a step of q for the first 4 and whose upper halves one for the others
//
// So a strip is one stream that a product with few rows of x reads from front to back, and steps
// are what 8-bit dot products take: 16 lanes of 4 columns.
#pragma once

#include <cstdint>

#include "encoding/weight.h"

namespace ocelli::encoding {

inline constexpr char kStripsName[] = "strips-16x4";  // in files
inline constexpr int64_t kStrip = 16, kStepColumns = 4, kStepBytes = kStrip * kStepColumns;
inline constexpr int64_t kQ8BlockBytes = kBlock * kStrip;  // of a strip
inline constexpr int64_t kQ4BlockBytes = kQ8BlockBytes / 2, kQ4HeadBytes = 64;
inline constexpr int64_t kGroupBlocks = kGroup / kBlock;
inline constexpr int kPackedOffset = 128;       // of stored q8 codes
inline constexpr int64_t kStripAlignment = 64;  // of the memory, for products

struct StripShape {
  int64_t strips, blocks, groups, strip_bytes;
  int64_t scale_bytes() const { return strips * kStrip * int64_t(sizeof(float)); }
  int64_t bytes() const { return scale_bytes() + strips * strip_bytes; }
};

bool has_strips(Encoding encoding);  // q8, q4
// Requires has_strips(). Does not overflow for up to 2^31 rows and columns.
StripShape strip_shape(Encoding encoding, int64_t rows, int64_t cols);

// Packs rows [first, first + count) of a plain weight, count at most 16, as one strip: 16 scales
// and strip_bytes.
void pack_strip(const Weight& plain, int64_t first, int64_t count, float* scales, std::byte* strip);

// Row `r` of a packed weight as it is in the plain layout, row_bytes(encoding, cols), or as
// float32. Memory need not be aligned.
void plain_row(const Weight& packed, int64_t r, std::byte* row);
void unpack_row(const Weight& packed, int64_t r, float* out);

// Row `r` of a weight in any layout as float32.
inline void read_row(const Weight& w, int64_t r, float* out) {
  if (w.layout == Layout::kPacked) return unpack_row(w, r, out);
  decode_row(w.encoding, w.row(r), 0, w.cols, out);
}

}  // namespace ocelli::encoding
