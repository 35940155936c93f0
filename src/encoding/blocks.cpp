// Blocks of 32 columns: an f16 scale d (and for some an f16 minimum m), then the codes.
//
//   q8_0    34 bytes   d, int8 q[32]              value = d q
//   q4_0    18 bytes   d, q[16]                   value = d (q - 8)
//   q4_1    20 bytes   d, m, q[16]                value = d q + m
//   q5_0    22 bytes   d, uint32 h, q[16]         value = d (q - 16); bit i of h is bit 4 of q
//   q5_1    24 bytes   d, m, uint32 h, q[16]      value = d q + m
//   iq4_nl  18 bytes   d, q[16]                   value = d table[q]
//
// Codes of 4 bits: columns 0 to 15 in the lower halves of the 16 bytes, 16 to 31 in the upper.
#include <algorithm>
#include <cmath>

#include "encoding/forms.h"

namespace ocelli::encoding {
namespace {

constexpr int64_t kScaleBytes = 2;  // an f16
constexpr int64_t kHalf = kBlock / 2;
constexpr float kMaxF16 = 65504.0f;

constexpr int32_t kSign = INT32_MIN;
constexpr int32_t kInfinity = 0x7F800000;

// Bits of |x|, ordered as the numbers are; 0 of a NaN. Integers, because compilers vectorize their
// comparisons: converting weights while loading is little else.
int32_t magnitude_bits(float x) {
  const int32_t bits = std::bit_cast<int32_t>(x) & ~kSign;
  return bits & -int32_t(bits <= kInfinity);  // without a branch
}

// Rounded as std::round does (halves away from zero) and clamped to [-127, 127].
int8_t to_rounded_code(float x) {
  constexpr float kBelowHalf = 0x1.fffffep-2f;  // with a half itself, 0.49999997 would become 1
  const int32_t bits = std::min(magnitude_bits(x), std::bit_cast<int32_t>(127.0f));
  const auto whole = int32_t(std::bit_cast<float>(bits) + kBelowHalf);
  const int32_t sign = std::bit_cast<int32_t>(x) >> 31;  // 0 or -1
  return int8_t((whole ^ sign) - sign);
}

void set_scale(float d, Group& out) {
  out.scale[0] = out.scale[1] = d;
}
void set_min(float m, Group& out) {
  out.min[0] = out.min[1] = m;
}

void store_scale(float d, uint8_t* block) {
  const uint16_t scale = base::float_to_f16(std::clamp(d, -kMaxF16, kMaxF16));
  std::memcpy(block, &scale, kScaleBytes);
}

// --- q8_0 ---

void encode_q8_0(const float* in, uint8_t* block) {
  const float d = max_magnitude(in) / 127.0f;
  const float inverse = d > 0 ? 1.0f / d : 0.0f;
  store_scale(d, block);
  auto* codes = reinterpret_cast<int8_t*>(block + kScaleBytes);
  for (int64_t i = 0; i < kBlock; ++i) codes[i] = to_rounded_code(in[i] * inverse);
}

void read_q8_0(const uint8_t* block, int64_t, Group& out) {
  set_scale(f16_at(block), out);
  std::memcpy(out.codes, block + kScaleBytes, kBlock);
}

// --- 4 bits ---

// The number of largest magnitude, the first of several, with its sign.
float extreme(const float* in) {
  const int32_t most = std::bit_cast<int32_t>(max_magnitude(in));
  for (int64_t i = 0; i < kBlock; ++i) {
    if (magnitude_bits(in[i]) == most && !std::isnan(in[i])) return in[i];
  }
  return 0;
}

// The extreme number becomes code 0, which is -8: so one sign has a code more than the other.
void encode_q4_0(const float* in, uint8_t* block) {
  const float d = extreme(in) / -8.0f;
  const float inverse = d != 0 ? 1.0f / d : 0.0f;
  store_scale(d, block);
  const auto code = [&](int64_t i) {
    const float x = in[i] * inverse + 8.5f;
    return std::isnan(x) ? 8 : int(std::clamp(x, 0.0f, 15.0f));
  };
  for (int64_t i = 0; i < kHalf; ++i) {
    block[kScaleBytes + i] = uint8_t(code(i) | code(i + kHalf) << 4);
  }
}

void codes_of_4(const uint8_t* q, int centre, Group& out) {
  for (int64_t i = 0; i < kHalf; ++i) {
    out.codes[i] = int8_t((q[i] & 15) - centre);
    out.codes[i + kHalf] = int8_t((q[i] >> 4) - centre);
  }
}

void read_q4_0(const uint8_t* block, int64_t, Group& out) {
  set_scale(f16_at(block), out);
  codes_of_4(block + kScaleBytes, 8, out);
}

void read_q4_1(const uint8_t* block, int64_t, Group& out) {
  set_scale(f16_at(block), out);
  set_min(-f16_at(block + kScaleBytes), out);
  codes_of_4(block + 2 * kScaleBytes, 0, out);
}

void read_iq4_nl(const uint8_t* block, int64_t, Group& out) {
  static constexpr int8_t kTable[] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};
  set_scale(f16_at(block), out);
  codes_of_4(block + kScaleBytes, 0, out);
  for (int8_t& code : out.codes) code = kTable[code];
}

// --- 5 bits ---

// Codes with their fifth bits: `high` is where the 32 bits lie, the codes follow.
void codes_of_5(const uint8_t* high, int centre, Group& out) {
  uint32_t bits;
  std::memcpy(&bits, high, sizeof bits);
  codes_of_4(high + sizeof bits, centre, out);
  for (int64_t i = 0; i < kBlock; ++i) out.codes[i] = int8_t(out.codes[i] + 16 * (bits >> i & 1));
}

void read_q5_0(const uint8_t* block, int64_t, Group& out) {
  set_scale(f16_at(block), out);
  codes_of_5(block + kScaleBytes, 16, out);
}

void read_q5_1(const uint8_t* block, int64_t, Group& out) {
  set_scale(f16_at(block), out);
  set_min(-f16_at(block + kScaleBytes), out);
  codes_of_5(block + 2 * kScaleBytes, 0, out);
}

}  // namespace

const BlockForm kQ80Form{kBlock, kQ80Bytes, read_q8_0, encode_q8_0},
    kQ40Form{kBlock, kQ40Bytes, read_q4_0, encode_q4_0}, kQ41Form{kBlock, 20, read_q4_1},
    kQ50Form{kBlock, 22, read_q5_0}, kQ51Form{kBlock, 24, read_q5_1},
    kIq4NlForm{kBlock, 18, read_iq4_nl};

// In lanes: one maximum would be a chain.
float max_magnitude(const float* in) {
  constexpr int64_t kLanes = 8;
  static_assert(kBlock % kLanes == 0);
  int32_t most[kLanes] = {};
  for (int64_t i = 0; i < kBlock; i += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) most[l] = std::max(most[l], magnitude_bits(in[i + l]));
  }
  return std::bit_cast<float>(*std::max_element(most, most + kLanes));
}

}  // namespace ocelli::encoding
