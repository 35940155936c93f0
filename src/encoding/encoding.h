// Storage formats of a weight matrix: how a row of numbers lies in memory, and the scalar code that
// defines each format. docs/formats.md describes them as formats.
//
// A matrix [rows, cols] is stored row by row; every row starts on its own and takes row_bytes().
//   f32, f16, bf16   cols numbers, little-endian
//   q8               blocks of 32 columns: f16 scale d, then 32 int8 codes q; value = d * q.
//                    34 bytes a block, the layout of GGUF's Q8_0.
//   q4               blocks of 32 columns: f16 scale d, then 16 bytes of two codes q; value =
//                    d * (q - 8). 18 bytes a block, the layout of GGUF's Q4_0.
//   q4_1 .. q6_k     further types of GGUF, read from files only: blocks.cpp, k_quants.cpp.
// The last block of a row may hold fewer columns; its spare codes stand for zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ocelli::encoding {

enum class Encoding : uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ8,
  kQ4,
  kQ41,
  kQ50,
  kQ51,
  kIq4Nl,
  kQ2K,
  kQ3K,
  kQ4K,
  kQ5K,
  kQ6K
};
inline constexpr size_t kEncodings = 14;

inline constexpr int64_t kBlock = 32;    // columns of one q8 or q4 block
inline constexpr int64_t kQ8Bytes = 34;  // bytes of one q8 block
inline constexpr int64_t kQ4Bytes = 18;

// "f32", "f16", "bf16", "q8", "q4", "q4_1", "q5_0", "q5_1", "iq4_nl", "q2_k" .. "q6_k".
std::string_view name(Encoding encoding);
std::optional<Encoding> from_name(std::string_view name);

// Whether encode_row() writes it: all but those that are read from files only.
bool can_encode(Encoding encoding);

// Bytes of one stored row of `cols` numbers.
int64_t row_bytes(Encoding encoding, int64_t cols);

// Columns that share a block (1 where there are no blocks, else 32 or 256).
int64_t block_cols(Encoding encoding);

// Writes columns [first, first + count) of a stored row as float32: the number that the formula of
// the encoding gives in float32, operation by operation. `first` must be a multiple of 32 where
// there are blocks.
void decode_row(Encoding encoding, const std::byte* row, int64_t first, int64_t count, float* out);

// Block `b` of a stored q8 row.
struct Q8Block {
  float scale;          // d
  const int8_t* codes;  // 32 of them
};
Q8Block q8_block(const std::byte* row, int64_t b);

// Stores `cols` float32 numbers as one row: round to nearest even for f16 and bf16; for q8 the
// scale is max|x|/127 rounded to f16 and a code is x/d rounded half away from zero, so that
// |value - x| <= d/2 up to the rounding of d; for q4 the scale is the number of largest magnitude
// divided by -8 and a code is trunc(x/d + 8.5), at most 15. Both as GGUF's reference does.
// Requires can_encode().
void encode_row(Encoding encoding, const float* in, int64_t cols, std::byte* row);

// The 8-bit form of one row of activations, used by products with q8 weights when float32
// arithmetic is not asked for: per block of 32 columns a float32 scale max|x|/127 and codes
// round-to-nearest-even of x * (127 / max|x|), clamped to [-127, 127]; an all-zero block has scale
// 0. `codes` has room for cols rounded up to 32 (spare codes are zero), `scales` for one number per
// block.
void quantize_row(const float* in, int64_t cols, int8_t* codes, float* scales);

}  // namespace ocelli::encoding
