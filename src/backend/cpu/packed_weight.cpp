#include "backend/cpu/packed_weight.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/check.h"

namespace ocelli::cpu {
namespace {

using encoding::Encoding;
using encoding::kBlock;
using encoding::kGroup;
using encoding::Weight;

constexpr int64_t kAlign = 64;
constexpr int64_t kBlockSteps = kBlock / kStepColumns;

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
      encoding::whole_codes(w.encoding, w.row(first + r), at, count, codes + r * kBlock);
    }
    pack_q8_block(codes, to);
  }
}

// Code of column `i` of a block.
uint8_t q4_code(const uint8_t* codes, int64_t i) {
  constexpr int64_t kHalf = kBlock / 2;
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
      const encoding::Q4Block from = encoding::q4_block(w.row(first + r), b);
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

}  // namespace

bool can_pack(Encoding encoding) {
  return encoding == Encoding::kQ8 || encoding == Encoding::kQ4;
}

PackedShape packed_shape(Encoding encoding, int64_t rows, int64_t cols) {
  PackedShape s{};
  s.strips = whole(rows, kStrip);
  s.blocks = whole(cols, kBlock);
  s.groups = whole(cols, kGroup);
  s.strip_bytes = encoding == Encoding::kQ8 ? s.blocks * kQ8BlockBytes
                                            : s.groups * kQ4HeadBytes + s.blocks * kQ4BlockBytes;
  return s;
}

int64_t packed_size(Encoding encoding, int64_t rows, int64_t cols) {
  const PackedShape s = packed_shape(encoding, rows, cols);
  return s.strips * (kStrip * int64_t(sizeof(float)) + s.strip_bytes);
}

void pack_rows_of(base::ThreadPool& pool, const Weight& plain, int64_t first, int64_t rows,
                  std::byte* memory) {
  const PackedShape s = packed_shape(plain.encoding, rows, plain.cols);
  auto* const scales = reinterpret_cast<float*>(memory);
  auto* const strips = reinterpret_cast<uint8_t*>(scales + s.strips * kStrip);
  pool.parallel_for(s.strips, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = i * kStrip, count = std::min(kStrip, rows - at);
      for (int64_t r = 0; r < kStrip; ++r) {
        scales[at + r] = r < count ? encoding::row_scale(plain.row(first + at + r)) : 0.0f;
      }
      (plain.encoding == Encoding::kQ8 ? pack_q8_strip : pack_q4_strip)(plain, first + at, count,
                                                                        strips + i * s.strip_bytes);
    }
  });
}

void unpack_row(const Weight& packed, int64_t r, float* out) {
  const PackedShape s = packed_shape(packed.encoding, packed.rows, packed.cols);
  const auto* const scales = reinterpret_cast<const float*>(packed.data);
  const auto* const strip =
      reinterpret_cast<const uint8_t*>(scales + s.strips * kStrip) + r / kStrip * s.strip_bytes;
  const float scale = scales[r];
  const int64_t lane = r % kStrip;
  for (int64_t k = 0; k < packed.cols; ++k) {
    const int64_t step = k / kStepColumns, byte = lane * kStepColumns + k % kStepColumns;
    if (packed.encoding == Encoding::kQ8) {
      out[k] = scale * float(int(strip[step * kStepBytes + byte]) - kPackedOffset);
      continue;
    }
    const int64_t b = k / kBlock, g = k / kGroup;
    const uint8_t* const head = strip + g * (kQ4HeadBytes + kGroupBlocks * kQ4BlockBytes);
    const int both =
        head[kQ4HeadBytes + (step - g * kGroup / kStepColumns) / 2 * kStepBytes + byte];
    const int sz = head[lane * kGroupBlocks + b % kGroupBlocks];
    const int code = step % 2 ? both >> 4 : both & 15;
    out[k] = scale * float((sz & 15) * (code - 8 + (sz >> 4)));
  }
}

RecordShape record_shape(int64_t cols, int64_t code_bytes) {
  const int64_t groups = whole(cols, kGroup);
  RecordShape s{};
  s.scales = groups * kGroup * code_bytes;
  s.sums = s.scales + groups * int64_t(sizeof(float));
  s.block_sums = s.sums + groups * int64_t(sizeof(int32_t));
  s.codes8 = s.block_sums + groups * kGroupBlocks * int64_t(sizeof(int32_t));
  s.bytes = whole(s.codes8 + (code_bytes > 1 ? groups * kGroup : 0), kAlign) * kAlign;
  return s;
}

}  // namespace ocelli::cpu
