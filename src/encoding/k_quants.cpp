// Blocks of 256 columns, as GGUF's "K" types: groups of 16 or 32 columns share a small whole-number
// scale (and a minimum), and these share an f16 scale. Read from files only.
//
// Everything is laid out so that 32 columns, a group g of 0 to 7, lie at one shift of 32 bytes.
//
//   q2_k   84 bytes   s[16], q[64], f16 d, f16 m      a = d (s & 15), b = m (s >> 4) of 16 columns;
//                                                     value = a q - b; 2 bits a column
//   q3_k  110 bytes   h[32], q[64], s[12], f16 d      value = d (s - 32) (q - 4 (1 - h)); bit g of
//                                                     h[i], 2 bits of q; s: 16 of 6 bits
//   q4_k  144 bytes   f16 d, f16 m, s[12], q[128]     value = (d s) q - (m t); s and t: 8 of 6 bits
//   q5_k  176 bytes   f16 d, f16 m, s[12], h[32], q[128]   the same with bit g of h[i] as bit 4 of
//   q q6_k  210 bytes   l[128], h[64], int8 s[16], f16 d     value = (d s) (q - 32); 4 bits of l, 2
//                                                     bits of h
#include "encoding/forms.h"

namespace ocelli::encoding {
namespace {

// Bytes of two bits a column: 128 columns share 32 bytes.
struct TwoBits {
  const uint8_t* bytes;
  int shift;
  TwoBits(const uint8_t* q, int64_t group)
      : bytes(q + group / 4 * kBlock), shift(int(group % 4) * 2) {}
  int at(int64_t i) const { return bytes[i] >> shift & 3; }
};

void read_q2_k(const uint8_t* block, int64_t group, Group& out) {
  constexpr int64_t kCodes = 16, kD = 80, kM = 82;
  const float d = f16_at(block + kD), m = f16_at(block + kM);
  const TwoBits q(block + kCodes, group);
  for (int64_t half = 0; half < 2; ++half) {
    const uint8_t both = block[2 * group + half];
    out.scale[half] = d * float(both & 15);
    out.min[half] = m * float(both >> 4);
  }
  for (int64_t i = 0; i < kBlock; ++i) out.codes[i] = int8_t(q.at(i));
}

// Scale i of 16: the low 4 bits lie in bytes 0 to 7 (the second eight in the upper halves), the
// high 2 bits in bytes 8 to 11, four to a byte.
int q3_k_scale(const uint8_t* s, int64_t i) {
  const int low = s[i % 8] >> (i < 8 ? 0 : 4) & 15;
  const int high = s[8 + i % 4] >> (i / 4 * 2) & 3;
  return (low | high << 4) - 32;
}

void read_q3_k(const uint8_t* block, int64_t group, Group& out) {
  constexpr int64_t kCodes = 32, kScales = 96, kD = 108;
  const float d = f16_at(block + kD);
  const TwoBits q(block + kCodes, group);
  for (int64_t half = 0; half < 2; ++half) {
    out.scale[half] = d * float(q3_k_scale(block + kScales, 2 * group + half));
  }
  for (int64_t i = 0; i < kBlock; ++i) {
    const int high = block[i] >> group & 1;
    out.codes[i] = int8_t(q.at(i) - (high ? 0 : 4));
  }
}

// Scale and minimum `i` of 8, 6 bits each in 12 bytes: the first four of each have bytes of their
// own, whose upper two bits belong to the last four; their low 4 bits share bytes 8 to 11.
struct ScaleMin {
  int scale, min;
};
ScaleMin scale_min(const uint8_t* s, int64_t i) {
  if (i < 4) return {s[i] & 63, s[i + 4] & 63};
  return {(s[i + 4] & 15) | (s[i - 4] >> 6) << 4, (s[i + 4] >> 4) | (s[i] >> 6) << 4};
}

void set_scale_min(const uint8_t* block, int64_t group, Group& out) {
  constexpr int64_t kM = 2, kScales = 4;
  const ScaleMin s = scale_min(block + kScales, group);
  out.scale[0] = out.scale[1] = f16_at(block) * float(s.scale);
  out.min[0] = out.min[1] = f16_at(block + kM) * float(s.min);
}

void read_q4_k(const uint8_t* block, int64_t group, Group& out) {
  constexpr int64_t kCodes = 16;
  set_scale_min(block, group, out);
  const uint8_t* const q = block + kCodes + group / 2 * kBlock;
  const int shift = int(group % 2) * 4;
  for (int64_t i = 0; i < kBlock; ++i) out.codes[i] = int8_t(q[i] >> shift & 15);
}

void read_q5_k(const uint8_t* block, int64_t group, Group& out) {
  constexpr int64_t kHigh = 16, kCodes = 48;
  set_scale_min(block, group, out);
  const uint8_t* const q = block + kCodes + group / 2 * kBlock;
  const uint8_t* const high = block + kHigh;
  const int shift = int(group % 2) * 4;
  for (int64_t i = 0; i < kBlock; ++i) {
    out.codes[i] = int8_t((q[i] >> shift & 15) | (high[i] >> group & 1) << 4);
  }
}

void read_q6_k(const uint8_t* block, int64_t group, Group& out) {
  constexpr int64_t kHigh = 128, kScales = 192, kD = 208;
  const float d = f16_at(block + kD);
  const int64_t quarter = group % 4;
  const uint8_t* const low = block + group / 4 * 64 + quarter % 2 * kBlock;
  const TwoBits high(block + kHigh, group);
  const int shift = int(quarter / 2) * 4;
  for (int64_t half = 0; half < 2; ++half) {
    out.scale[half] = d * float(int8_t(block[kScales + 2 * group + half]));
  }
  for (int64_t i = 0; i < kBlock; ++i) {
    out.codes[i] = int8_t(((low[i] >> shift & 15) | high.at(i) << 4) - 32);
  }
}

}  // namespace

const BlockForm kQ2KForm{256, 84, read_q2_k}, kQ3KForm{256, 110, read_q3_k},
    kQ4KForm{256, 144, read_q4_k}, kQ5KForm{256, 176, read_q5_k}, kQ6KForm{256, 210, read_q6_k};

}  // namespace ocelli::encoding
