#include "backend/cpu/packed_weight.h"

#include <algorithm>

namespace ocelli::cpu {
namespace {

using encoding::kGroup;
using encoding::Weight;

constexpr int64_t kAlign = 64;

int64_t whole(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit;
}

}  // namespace

void pack_rows_of(base::ThreadPool& pool, const Weight& plain, int64_t first, int64_t rows,
                  std::byte* memory) {
  const PackedShape s = packed_shape(plain.encoding, rows, plain.cols);
  auto* const scales = reinterpret_cast<float*>(memory);
  std::byte* const strips = memory + s.scale_bytes();
  pool.parallel_for(s.strips, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = i * kStrip;
      encoding::pack_strip(plain, first + at, std::min(kStrip, rows - at), scales + at,
                           strips + i * s.strip_bytes);
    }
  });
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
