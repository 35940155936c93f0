#include "encoding/strips.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace ocelli::encoding {
namespace {

constexpr int64_t kBlockSteps = kBlock / kStepColumns;
constexpr int64_t kHalf = kBlock / 2;

int64_t whole(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit;
}

// 16 rows side by side: codes[row][columns of a block].
void pack_q8_block(const int8_t* codes, uint8_t* to) {
  for (int64_t s = 0; s < kBlockSteps; ++s) {
    for (int64_t r = 0; r < kStrip; ++r) {
      for (int64_t i = 0; i < kStepColumns; ++i) {
        *to++ = uint8_t(codes[r * kBlock + s * kStepColumns + i] + kPackedOffset);
      }
    }
  }
}

void pack_q8_strip(const Weight& w, int64_t first, int64_t rows, uint8_t* to) {
  int8_t codes[kStrip * kBlock];
  for (int64_t at = 0; at < w.cols; at += kBlock, to += kQ8BlockBytes) {
    std::memset(codes, 0, sizeof codes);
    const int64_t count = std::min(kBlock, w.cols - at);
    for (int64_t r = 0; r < rows; ++r) {
      whole_codes(w.encoding, w.row(first + r), at, count, codes + r * kBlock);
    }
    pack_q8_block(codes, to);
  }
}

// Code of column `i` of a block.
uint8_t q4_code(const uint8_t* codes, int64_t i) {
  return i < kHalf ? codes[i] & 15 : codes[i - kHalf] >> 4;
}

void pack_q4_strip(const Weight& w, int64_t first, int64_t rows, uint8_t* to) {
  const int64_t blocks = whole(w.cols, kBlock);
  uint8_t* head = to;
  for (int64_t b = 0; b < blocks; ++b) {
    if (b % kGroupBlocks == 0) {
      head = to;
      std::memset(head, 0, kQ4HeadBytes);
      to += kQ4HeadBytes;
    }
    std::memset(to, 0, kQ4BlockBytes);
    for (int64_t r = 0; r < rows; ++r) {
      const Q4Block from = q4_block(w.row(first + r), b);
      head[r * kGroupBlocks + b % kGroupBlocks] = uint8_t(from.scale | from.zero << 4);
      for (int64_t i = 0; i < kBlock; ++i) {
        const int64_t step = i / kStepColumns;
        to[step / 2 * kStepBytes + r * kStepColumns + i % kStepColumns] |=
            uint8_t(q4_code(from.codes, i) << (step % 2 * 4));
      }
    }
    to += kQ4BlockBytes;
  }
}

// Where block `b` of strip `i` lies in the memory of a packed q4 weight, and the head of its group.
struct Q4Place {
  const uint8_t *head, *codes;
  Q4Place(const uint8_t* strip, int64_t b) {
    const int64_t group = b / kGroupBlocks, behind = b % kGroupBlocks;
    head = strip + group * (kQ4HeadBytes + kGroupBlocks * kQ4BlockBytes);
    codes = head + kQ4HeadBytes + behind * kQ4BlockBytes;
  }
};

// The scale of row `r` of a packed weight and the strip that it lies in.
struct StripRow {
  float scale;
  const uint8_t* strip;
  int64_t lane, blocks;
  StripRow(const Weight& w, int64_t r) : lane(r % kStrip) {
    OCELLI_CHECK(w.layout == Layout::kPacked && r >= 0 && r < w.rows, "a row of a packed weight");
    const StripShape s = strip_shape(w.encoding, w.rows, w.cols);
    std::memcpy(&scale, w.data + r * int64_t(sizeof scale), sizeof scale);
    strip = reinterpret_cast<const uint8_t*>(w.data) + s.scale_bytes() + r / kStrip * s.strip_bytes;
    blocks = s.blocks;
  }

  // The 32 codes of block `b` as whole numbers.
  void q8_codes(int64_t b, int8_t* out) const {
    const uint8_t* from = strip + b * kQ8BlockBytes + lane * kStepColumns;
    for (int64_t s = 0; s < kBlockSteps; ++s, from += kStepBytes) {
      for (int64_t i = 0; i < kStepColumns; ++i)
        out[s * kStepColumns + i] = int8_t(int(from[i]) - kPackedOffset);
    }
  }
  // Its stored codes 0 .. 15, and s and z.
  int q4_codes(int64_t b, uint8_t* out) const {
    const Q4Place at(strip, b);
    const uint8_t* from = at.codes + lane * kStepColumns;
    for (int64_t s = 0; s < kBlockSteps; s += 2, from += kStepBytes) {
      for (int64_t i = 0; i < kStepColumns; ++i) {
        out[s * kStepColumns + i] = from[i] & 15;
        out[(s + 1) * kStepColumns + i] = from[i] >> 4;
      }
    }
    return at.head[lane * kGroupBlocks + b % kGroupBlocks];
  }
};

}  // namespace

bool has_strips(Encoding encoding) {
  return encoding == Encoding::kQ8 || encoding == Encoding::kQ4;
}

StripShape strip_shape(Encoding encoding, int64_t rows, int64_t cols) {
  StripShape s{};
  s.strips = whole(rows, kStrip);
  s.blocks = whole(cols, kBlock);
  s.groups = whole(cols, kGroup);
  s.strip_bytes = encoding == Encoding::kQ8 ? s.blocks * kQ8BlockBytes
                                            : s.groups * kQ4HeadBytes + s.blocks * kQ4BlockBytes;
  return s;
}

void pack_strip(const Weight& plain, int64_t first, int64_t count, float* scales,
                std::byte* strip) {
  for (int64_t r = 0; r < kStrip; ++r)
    scales[r] = r < count ? row_scale(plain.row(first + r)) : 0.0f;
  (plain.encoding == Encoding::kQ8 ? pack_q8_strip : pack_q4_strip)(
      plain, first, count, reinterpret_cast<uint8_t*>(strip));
}

void plain_row(const Weight& packed, int64_t r, std::byte* row) {
  const StripRow from(packed, r);
  std::memcpy(row, &from.scale, sizeof from.scale);
  if (packed.encoding == Encoding::kQ8) {
    int8_t codes[kBlock];
    for (int64_t b = 0; b < from.blocks; ++b) {
      from.q8_codes(b, codes);
      std::memcpy(row + sizeof(float) + b * kBlock, codes,
                  size_t(std::min(kBlock, packed.cols - b * kBlock)));
    }
    return;
  }
  std::memset(row + sizeof(float), 0,
              size_t(row_bytes(packed.encoding, packed.cols)) - sizeof(float));
  uint8_t codes[kBlock], halves[kHalf];
  for (int64_t b = 0; b < from.blocks; ++b) {
    const int both = from.q4_codes(b, codes);
    for (int64_t i = 0; i < kHalf; ++i) halves[i] = uint8_t(codes[i] | codes[i + kHalf] << 4);
    put_q4_block(row, b, {both & 15, both >> 4 & 1, halves});
  }
}

void unpack_row(const Weight& packed, int64_t r, float* out) {
  const StripRow from(packed, r);
  const bool eight = packed.encoding == Encoding::kQ8;
  int8_t whole_numbers[kBlock];
  uint8_t codes[kBlock];
  for (int64_t b = 0; b < from.blocks; ++b) {
    if (eight) {
      from.q8_codes(b, whole_numbers);
    } else {
      const int both = from.q4_codes(b, codes), s = both & 15, z = both >> 4 & 1;
      for (int64_t i = 0; i < kBlock; ++i) whole_numbers[i] = int8_t(s * (codes[i] - 8 + z));
    }
    const int64_t count = std::min(kBlock, packed.cols - b * kBlock);
    for (int64_t i = 0; i < count; ++i) out[b * kBlock + i] = from.scale * float(whole_numbers[i]);
  }
}

}  // namespace ocelli::encoding
