// Storage formats of a weight matrix: how a row of numbers lies in memory, and the scalar code that
// defines each format. docs/formats.md describes them as formats.
//
// A matrix [rows, cols] is stored row by row; every row starts on its own and takes row_bytes().
//   f32, f16, bf16   cols numbers, little-endian
//   q8               blocks of 32 columns: f16 scale d, then 32 int8 codes q; value = d * q.
//                    34 bytes a block, the layout of GGUF's Q8_0. The last block of a row may hold
//                    fewer columns; its spare codes are zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ocelli::encoding {

enum class Encoding : uint8_t { kF32, kF16, kBF16, kQ8 };

inline constexpr int64_t kBlock = 32;    // columns of one q8 block
inline constexpr int64_t kQ8Bytes = 34;  // bytes of one q8 block

// "f32", "f16", "bf16", "q8".
std::string_view name(Encoding encoding);
std::optional<Encoding> from_name(std::string_view name);

// Bytes of one stored row of `cols` numbers.
int64_t row_bytes(Encoding encoding, int64_t cols);

// Columns that are decoded together (1, or 32 for blocks).
int64_t block_cols(Encoding encoding);

// Writes columns [first, first + count) of a stored row as float32. Exact. `first` must be a
// multiple of block_cols().
void decode_row(Encoding encoding, const std::byte* row, int64_t first, int64_t count, float* out);

// Block `b` of a stored q8 row.
struct Q8Block {
  float scale;          // d
  const int8_t* codes;  // 32 of them
};
Q8Block q8_block(const std::byte* row, int64_t b);

// Stores `cols` float32 numbers as one row: round to nearest even for f16 and bf16; for q8 the
// scale is max|x|/127 rounded to f16 and a code is x/d rounded half away from zero (as GGUF's
// reference does), so that |value - x| <= d/2 up to the rounding of d.
void encode_row(Encoding encoding, const float* in, int64_t cols, std::byte* row);

// The 8-bit form of one row of activations, used by products with q8 weights when float32
// arithmetic is not asked for: per block of 32 columns a float32 scale max|x|/127 and codes
// round-to-nearest-even of x * (127 / max|x|), clamped to [-127, 127]; an all-zero block has scale
// 0. `codes` has room for cols rounded up to 32 (spare codes are zero), `scales` for one number per
// block.
void quantize_row(const float* in, int64_t cols, int8_t* codes, float* scales);

}  // namespace ocelli::encoding
