// Rows with one float32 scale S for all their columns, so that products with them add whole
// numbers:
//
//   q8   S, then int8 q[cols]                                             value = S q
//   q4   S, then for every 8 blocks of 32 columns s[4], z, q[16] of each   value = S (s (q - 8 +
//   z))
//
// A q4 block has a scale s of 4 bits (that of an even block in the lower half of a byte), a bit z
// (block 0 has the lowest), and codes q in the order of q4_0. A number s (q - 8 + z) lies in
// -120 .. 120. With z = 1 the codes reach further up than down: it does what the sign of a scale
// does in q4_0. The last blocks of a row may be fewer than 8; their s and z have 5 bytes all the
// same.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/check.h"
#include "encoding/forms.h"

namespace ocelli::encoding {
namespace {

constexpr int64_t kScaleBytes = sizeof(float);
constexpr int64_t kHalf = kBlock / 2;
constexpr int64_t kMaxScale = 15;
// Blocks of q4 whose s and z lie together, in kHeadBytes before their codes.
constexpr int64_t kTogether = 8, kHeadBytes = kTogether / 2 + 1;
constexpr int64_t kTogetherBytes = kHeadBytes + kTogether * kHalf;

// Beyond these a row is stored as if its numbers were this large, or zeros: S and its inverse stay
// ordinary numbers.
constexpr float kLargest = 0x1p120f, kSmallest = 0x1p-100f;

int64_t blocks_of(int64_t cols) {
  return (cols + kBlock - 1) / kBlock;
}

// The row divided by its largest magnitude, NaN as 0, with zeros up to a whole block. `most` is 0
// where nothing is left.
struct UnitRow {
  std::vector<float> x;
  float most = 0;

  UnitRow(const float* in, int64_t cols) : x(size_t(blocks_of(cols) * kBlock), 0.0f) {
    std::copy_n(in, cols, x.begin());
    for (size_t i = 0; i < x.size(); i += kBlock) most = std::max(most, max_magnitude(&x[i]));
    most = std::min(most, kLargest);
    if (most < kSmallest) most = 0;
    const float inverse = most > 0 ? 1 / most : 0.0f;
    for (float& v : x) v = std::isnan(v) ? 0 : std::clamp(v * inverse, -1.0f, 1.0f);
    // 0 times infinity
    if (most == 0) std::fill(x.begin(), x.end(), 0.0f);
  }
};

// --- q4: the search for S, s and z ---

// The nearest of -8 .. 7 to y, halves to even.
inline float nearest_code(float y) {
  constexpr float kWhole = 0x1.8p23f;  // adding it leaves no fraction
  const float above = y < 7.0f ? y : 7.0f;
  const float within = above > -8.0f ? above : -8.0f;
  return (within + kWhole) - kWhole;
}

// Squared error of a block stored in steps of `step`.
float error_of(const float* x, float step) {
  constexpr int64_t kLanes = 8;
  const float inverse = 1 / step;
  float squares[kBlock], sums[kLanes] = {};
  for (int64_t i = 0; i < kBlock; ++i) {
    const float y = x[i] * inverse;
    const float r = y - nearest_code(y);
    squares[i] = r * r;
  }
  for (int64_t i = 0; i < kBlock; i += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) sums[l] += squares[i + l];
  }
  float total = 0;
  for (const float s : sums) total += s;
  return total * (step * step);
}

// The scale that would suit a block alone: its number of largest magnitude becomes code -8, which
// is why a scale may be negative.
float own_scale(const float* x) {
  float least = 0, most = 0;
  for (int64_t i = 0; i < kBlock; ++i) {
    least = x[i] < least ? x[i] : least;
    most = x[i] > most ? x[i] : most;
  }
  return (-least >= most ? least : most) / -8.0f;
}

// What is chosen for a row: S, and a signed scale s of every block, 0 where it holds only zeros.
struct Choice {
  float scale = 0;
  float error = std::numeric_limits<float>::infinity();
  std::vector<int8_t> s;
};

// The best scales of all blocks with a given S: for each the nearest to its own and its neighbours.
// Left half done where the error reaches `limit`.
Choice choose(const UnitRow& row, float scale, const std::vector<float>& own, float limit) {
  Choice choice{scale, 0, std::vector<int8_t>(own.size())};
  for (size_t b = 0; b < own.size() && choice.error < limit; ++b) {
    if (own[b] == 0) continue;
    const float sign = own[b] < 0 ? -1.0f : 1.0f;
    const int first = std::clamp(int(std::abs(own[b]) / scale + 0.5f), 1, int(kMaxScale));
    float least = std::numeric_limits<float>::infinity();
    for (int s = std::max(first - 1, 1); s <= std::min(first + 1, int(kMaxScale)); ++s) {
      const float error = error_of(&row.x[b * kBlock], scale * (sign * float(s)));
      if (error < least) {
        least = error;
        choice.s[b] = int8_t(sign * float(s));
      }
    }
    choice.error += least;
  }
  return choice;
}

// The S with the least error for the codes that `choice` leads to.
float refined_scale(const UnitRow& row, const Choice& choice) {
  double across = 0, square = 0;
  for (size_t b = 0; b < choice.s.size(); ++b) {
    if (choice.s[b] == 0) continue;
    const float* const x = &row.x[b * kBlock];
    const float inverse = 1 / (choice.scale * float(choice.s[b]));
    float xc = 0, cc = 0;
    for (int64_t i = 0; i < kBlock; ++i) {
      const float code = nearest_code(x[i] * inverse);
      xc += x[i] * code;
      cc += code * code;
    }
    across += double(xc) * choice.s[b];
    square += double(cc) * choice.s[b] * choice.s[b];
  }
  return square > 0 ? float(across / square) : choice.scale;
}

// S is tried such that the largest block has the scale 15, or a smaller one, where the others may
// fall nearer to whole multiples of S, or would need 16 and is cut for the sake of the others; then
// fitted to the codes, twice.
Choice search(const UnitRow& row) {
  constexpr float kTried[] = {15, 16, 14, 13, 12};
  const size_t blocks = row.x.size() / kBlock;
  std::vector<float> own(blocks);
  float most = 0;
  for (size_t b = 0; b < blocks; ++b) {
    own[b] = own_scale(&row.x[b * kBlock]);
    most = std::max(most, std::abs(own[b]));
  }
  Choice best;
  best.s.resize(blocks);
  if (most == 0) return best;
  for (const float largest : kTried) {
    Choice choice = choose(row, most / largest, own, best.error);
    if (choice.error < best.error) best = std::move(choice);
  }
  Choice fitted = choose(row, refined_scale(row, best), own, best.error);
  if (fitted.error < best.error) best = std::move(fitted);
  return best;
}

// Where the parts of block b lie.
template <class Byte>
struct Q4Parts {
  Byte *scales, *signs, *codes;
  int shift, bit;  // of the block's scale and z in their bytes
  Q4Parts(Byte* row, int64_t b)
      : scales(row + kScaleBytes + b / kTogether * kTogetherBytes + b % kTogether / 2),
        signs(row + kScaleBytes + b / kTogether * kTogetherBytes + kTogether / 2),
        codes(row + kScaleBytes + (b / kTogether + 1) * kHeadBytes + b * kHalf),
        shift(int(b % 2) * 4),
        bit(int(b % kTogether)) {}
};

int64_t q4_bytes(int64_t cols) {
  const int64_t blocks = blocks_of(cols);
  return kScaleBytes + (blocks + kTogether - 1) / kTogether * kHeadBytes + blocks * kHalf;
}

void encode_q4(const float* in, int64_t cols, std::byte* row) {
  const UnitRow unit(in, cols);
  const Choice choice = search(unit);
  std::memset(row, 0, size_t(q4_bytes(cols)));
  const float scale = unit.most * refined_scale(unit, choice);
  std::memcpy(row, &scale, sizeof scale);
  for (int64_t b = 0; b < int64_t(choice.s.size()); ++b) {
    const Q4Parts<std::byte> at(row, b);
    const int s = choice.s[size_t(b)];
    const bool turned = s < 0;
    *at.scales |= std::byte(std::abs(s) << at.shift);
    *at.signs |= std::byte(int(turned) << at.bit);
    const float inverse = s == 0 ? 0.0f : 1 / (choice.scale * float(s));
    uint8_t q[kBlock];
    for (int64_t i = 0; i < kBlock; ++i) {
      const int code = int(nearest_code(unit.x[size_t(b * kBlock + i)] * inverse));
      q[i] = uint8_t(turned ? 7 - code : code + 8);
    }
    for (int64_t i = 0; i < kHalf; ++i) at.codes[i] = std::byte(q[i] | q[i + kHalf] << 4);
  }
}

void q4_codes(const std::byte* row, int64_t b, int8_t* out) {
  const auto [s, z, q] = q4_block(row, b);
  for (int64_t i = 0; i < kHalf; ++i) {
    out[i] = int8_t(s * ((q[i] & 15) - 8 + z));
    out[i + kHalf] = int8_t(s * ((q[i] >> 4) - 8 + z));
  }
}

// --- q8 ---

int64_t q8_bytes(int64_t cols) {
  return kScaleBytes + cols;
}

void encode_q8(const float* in, int64_t cols, std::byte* row) {
  const UnitRow unit(in, cols);
  const float scale = unit.most / 127.0f;
  std::memcpy(row, &scale, sizeof scale);
  auto* const codes = reinterpret_cast<int8_t*>(row + kScaleBytes);
  for (int64_t i = 0; i < cols; ++i) {
    const float y = unit.x[size_t(i)] * 127.0f;
    codes[i] = int8_t(y + std::copysign(0.5f, y));  // halves away from zero
  }
}

}  // namespace

const RowForm kQ8Form{q8_bytes, encode_q8}, kQ4Form{q4_bytes, encode_q4};

float row_scale(const std::byte* row) {
  float scale;
  std::memcpy(&scale, row, sizeof scale);
  return scale;
}

Q4Block q4_block(const std::byte* row, int64_t b) {
  const Q4Parts<const std::byte> at(row, b);
  return {int(*at.scales) >> at.shift & 15, int(*at.signs) >> at.bit & 1,
          reinterpret_cast<const uint8_t*>(at.codes)};
}

void put_q4_block(std::byte* row, int64_t b, const Q4Block& block) {
  const Q4Parts<std::byte> at(row, b);
  *at.scales |= std::byte(block.scale << at.shift);
  *at.signs |= std::byte(block.zero << at.bit);
  std::memcpy(at.codes, block.codes, size_t(kHalf));
}

void whole_codes(Encoding encoding, const std::byte* row, int64_t first, int64_t count,
                 int8_t* out) {
  OCELLI_CHECK(first % kBlock == 0, "codes are read from the start of a block of 32");
  if (encoding == Encoding::kQ8) {
    std::memcpy(out, row + kScaleBytes + first, size_t(count));
    return;
  }
  for (int64_t at = 0; at < count; at += kBlock) {
    const int64_t b = (first + at) / kBlock;
    if (count - at >= kBlock) {
      q4_codes(row, b, out + at);
      continue;
    }
    int8_t last[kBlock];
    q4_codes(row, b, last);
    std::copy_n(last, count - at, out + at);
  }
}

void decode_row_form(Encoding encoding, const std::byte* row, int64_t first, int64_t count,
                     float* out) {
  const float scale = row_scale(row);
  int8_t codes[kBlock];
  for (int64_t at = 0; at < count; at += kBlock) {
    const int64_t here = std::min(kBlock, count - at);
    whole_codes(encoding, row, first + at, here, codes);
    for (int64_t i = 0; i < here; ++i) out[at + i] = scale * float(codes[i]);
  }
}

}  // namespace ocelli::encoding
