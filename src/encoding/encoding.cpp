#include "encoding/encoding.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/f16.h"

namespace ocelli::encoding {
namespace {

static_assert(std::endian::native == std::endian::little, "rows are little-endian");

constexpr std::string_view kNames[] = {"f32", "f16", "bf16", "q8"};
constexpr int64_t kScaleBytes = 2;  // the f16 before the codes of a q8 block
constexpr float kMaxF16 = 65504.0f;

int64_t blocks(int64_t cols) {
  return (cols + kBlock - 1) / kBlock;
}

constexpr int32_t kSign = INT32_MIN;
constexpr int32_t kInfinity = 0x7F800000;

// Bits of |x|, ordered as the numbers are; 0 of a NaN. Integers, because compilers vectorize their
// comparisons: converting weights while loading is little else.
int32_t magnitude_bits(float x) {
  const int32_t bits = std::bit_cast<int32_t>(x) & ~kSign;
  return bits & -int32_t(bits <= kInfinity);  // without a branch
}

// The largest magnitude of a block; a NaN does not count. In lanes: one maximum would be a chain.
float max_magnitude(const float* in) {
  constexpr int64_t kLanes = 8;
  static_assert(kBlock % kLanes == 0);
  int32_t most[kLanes] = {};
  for (int64_t i = 0; i < kBlock; i += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) most[l] = std::max(most[l], magnitude_bits(in[i + l]));
  }
  return std::bit_cast<float>(*std::max_element(most, most + kLanes));
}

// A block of `count` numbers, followed by zeros where a row ends within it.
const float* whole_block(const float* in, int64_t count, float* padded) {
  if (count >= kBlock) return in;
  std::fill(std::copy_n(in, count, padded), padded + kBlock, 0.0f);
  return padded;
}

// Of a number that is already whole. NaN (0 times infinity, in a block of subnormals) becomes 0.
int8_t to_code(float whole) {
  if (std::isnan(whole)) return 0;
  return int8_t(std::clamp(whole, -127.0f, 127.0f));
}

// The same of any number, rounded as std::round does: halves away from zero.
int8_t to_rounded_code(float x) {
  constexpr float kBelowHalf = 0x1.fffffep-2f;  // with a half itself, 0.49999997 would become 1
  const int32_t bits = std::min(magnitude_bits(x), std::bit_cast<int32_t>(127.0f));
  const auto whole = int32_t(std::bit_cast<float>(bits) + kBelowHalf);
  const int32_t sign = std::bit_cast<int32_t>(x) >> 31;  // 0 or -1
  return int8_t((whole ^ sign) - sign);
}

void encode_q8_block(const float* in, int64_t count, std::byte* block) {
  float padded[kBlock];
  in = whole_block(in, count, padded);
  const float d = max_magnitude(in) / 127.0f;
  const float inverse = d > 0 ? 1.0f / d : 0.0f;
  const uint16_t scale = base::float_to_f16(std::min(d, kMaxF16));
  std::memcpy(block, &scale, kScaleBytes);
  auto* codes = reinterpret_cast<int8_t*>(block + kScaleBytes);
  for (int64_t i = 0; i < kBlock; ++i) codes[i] = to_rounded_code(in[i] * inverse);
}

void decode_q8(const std::byte* row, int64_t first, int64_t count, float* out) {
  OCELLI_CHECK(first % kBlock == 0, "q8 is decoded from the start of a block");
  for (int64_t at = 0; at < count; at += kBlock) {
    const Q8Block block = q8_block(row, (first + at) / kBlock);
    const int64_t here = std::min(kBlock, count - at);
    for (int64_t i = 0; i < here; ++i) out[at + i] = block.scale * float(block.codes[i]);
  }
}

template <class Convert>
void decode_16(const std::byte* row, int64_t first, int64_t count, float* out, Convert convert) {
  for (int64_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, row + 2 * (first + i), 2);
    out[i] = convert(bits);
  }
}

template <class Convert>
void encode_16(const float* in, int64_t cols, std::byte* row, Convert convert) {
  for (int64_t i = 0; i < cols; ++i) {
    const uint16_t bits = convert(in[i]);
    std::memcpy(row + 2 * i, &bits, 2);
  }
}

}  // namespace

std::string_view name(Encoding encoding) {
  return kNames[size_t(encoding)];
}

std::optional<Encoding> from_name(std::string_view wanted) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == wanted) return Encoding(i);
  }
  return std::nullopt;
}

int64_t row_bytes(Encoding encoding, int64_t cols) {
  switch (encoding) {
    case Encoding::kF32:
      return 4 * cols;
    case Encoding::kF16:
    case Encoding::kBF16:
      return 2 * cols;
    case Encoding::kQ8:
      return blocks(cols) * kQ8Bytes;
  }
  OCELLI_CHECK(false, "every encoding has a size");
}

int64_t block_cols(Encoding encoding) {
  return encoding == Encoding::kQ8 ? kBlock : 1;
}

Q8Block q8_block(const std::byte* row, int64_t b) {
  const std::byte* block = row + b * kQ8Bytes;
  uint16_t bits;
  std::memcpy(&bits, block, kScaleBytes);
  return {base::f16_to_float(bits), reinterpret_cast<const int8_t*>(block + kScaleBytes)};
}

void decode_row(Encoding encoding, const std::byte* row, int64_t first, int64_t count, float* out) {
  switch (encoding) {
    case Encoding::kF32:
      std::memcpy(out, row + 4 * first, size_t(4 * count));
      return;
    case Encoding::kF16:
      return decode_16(row, first, count, out, base::f16_to_float);
    case Encoding::kBF16:
      return decode_16(row, first, count, out, base::bf16_to_float);
    case Encoding::kQ8:
      return decode_q8(row, first, count, out);
  }
}

void encode_row(Encoding encoding, const float* in, int64_t cols, std::byte* row) {
  switch (encoding) {
    case Encoding::kF32:
      std::memcpy(row, in, size_t(4 * cols));
      return;
    case Encoding::kF16:
      return encode_16(in, cols, row, base::float_to_f16);
    case Encoding::kBF16:
      return encode_16(in, cols, row, base::float_to_bf16);
    case Encoding::kQ8:
      for (int64_t at = 0; at < cols; at += kBlock) {
        encode_q8_block(in + at, std::min(kBlock, cols - at), row + at / kBlock * kQ8Bytes);
      }
      return;
  }
}

void quantize_row(const float* in, int64_t cols, int8_t* codes, float* scales) {
  for (int64_t at = 0; at < cols; at += kBlock) {
    const int64_t count = std::min(kBlock, cols - at);
    float padded[kBlock];
    const float most = max_magnitude(whole_block(in + at, count, padded));
    const float inverse = most > 0 ? 127.0f / most : 0.0f;
    scales[at / kBlock] = most / 127.0f;
    std::fill_n(codes + at, kBlock, int8_t{0});
    // nearbyint rounds to nearest even: nobody here changes the rounding mode.
    for (int64_t i = 0; i < count; ++i)
      codes[at + i] = to_code(std::nearbyint(in[at + i] * inverse));
  }
}

}  // namespace ocelli::encoding
