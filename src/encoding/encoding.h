// Storage formats of a weight matrix: how a row of numbers lies in memory, and the scalar code that
// defines each format. docs/formats.md describes them as formats.
//
// A matrix [rows, cols] is stored row by row; every row starts on its own and takes row_bytes().
//   f32, f16, bf16   cols numbers, little-endian
//   q8               float32 scale S, then cols int8 codes q; value = S * q
//   q4               float32 scale S, then blocks of 32 columns, each with a scale s of 4 bits, a
//                    bit z and 16 bytes of two codes q; value = S * (s * (q - 8 + z)), where the
//                    whole number s * (q - 8 + z) fits an int8: row_forms.cpp
//   q8_0             blocks of 32 columns: f16 scale d, then 32 int8 codes q; value = d * q.
//                    34 bytes a block, as GGUF has it.
//   q4_0             blocks of 32 columns: f16 scale d, then 16 bytes of two codes q; value =
//                    d * (q - 8). 18 bytes a block, as GGUF has it.
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
  kQ80,
  kQ40,
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
inline constexpr size_t kEncodings = 16;

inline constexpr int64_t kBlock = 32;     // columns of a block
inline constexpr int64_t kQ80Bytes = 34;  // bytes of one q8_0 block
inline constexpr int64_t kQ40Bytes = 18;

// "f32", "f16", "bf16", "q8", "q4", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "iq4_nl", "q2_k" ..
// "q6_k".
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

// 32 columns of a row whose encoding has blocks (has_groups()): column i is
// scale[i / 16] * codes[i] - min[i / 16].
struct Group {
  float scale[2], min[2];
  int8_t codes[kBlock];
};
bool has_groups(Encoding encoding);  // q8_0 .. q6_k
// Columns [32 g, 32 g + 32) of a stored row.
Group group_of(Encoding encoding, const std::byte* row, int64_t g);

// A stored q8 or q4 row as a scale S and whole numbers: the value of a column is S * code. Columns
// [first, first + count), `first` a multiple of 32.
float row_scale(const std::byte* row);
void whole_codes(Encoding encoding, const std::byte* row, int64_t first, int64_t count,
                 int8_t* out);

// Block `b` of a stored q4 row: its s, its z and 16 bytes of codes.
struct Q4Block {
  int scale, zero;
  const uint8_t* codes;
};
Q4Block q4_block(const std::byte* row, int64_t b);
// Stores it in a row of zeros, the 16 bytes of codes included.
void put_q4_block(std::byte* row, int64_t b, const Q4Block& block);

// Stores `cols` float32 numbers as one row. Requires can_encode().
//   f16, bf16  rounded to nearest even
//   q8         S is max|x| / 127 and a code is x / S rounded half away from zero
//   q4         S, s and z are searched for the least squared error: no more than that of q4_0 on
//              trained and on normally distributed weights (a test)
//   q8_0       d is max|x| / 127 rounded to f16 and a code is x / d rounded half away from zero, so
//              that |value - x| <= d / 2 up to the rounding of d
//   q4_0       d is the number of largest magnitude divided by -8 and a code is trunc(x / d + 8.5),
//              at most 15; both as GGUF's reference does
void encode_row(Encoding encoding, const float* in, int64_t cols, std::byte* row);

// The 8-bit form of one row of activations, used by products with weights of 8 and 4 bits when
// float32 arithmetic is not asked for: per group of columns a float32 scale max|x|/127 and codes
// round-to-nearest-even of x * (127 / max|x|), clamped to [-127, 127]; an all-zero group has scale
// 0, one with a number that is not finite NaN. `codes` has room for cols rounded up to whole groups
// (spare codes are zero), `scales` for one number per group.
//
// Groups are 32 columns beside encodings with blocks, and kGroup beside q8 and q4, where a product
// is
//   y[t, n] = S[n] * sum over groups g, in order, of fma(scale[t, g], float(I[t, n, g]))
// in float32, with I the whole number sum_k code[t, k] * whole_code[n, k] over the group's columns:
// the same bits on every instruction set.
inline constexpr int64_t kGroup = 128;
void quantize_row(const float* in, int64_t cols, int8_t* codes, float* scales,
                  int64_t group = kBlock);

}  // namespace ocelli::encoding
