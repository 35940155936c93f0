// Rows of weights in any encoding, for tests.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/f16.h"
#include "encoding/encoding.h"

namespace ocelli::encoding {

inline constexpr std::array<Encoding, kEncodings> kAllEncodings = {
    Encoding::kF32, Encoding::kF16, Encoding::kBF16,  Encoding::kQ8,
    Encoding::kQ4,  Encoding::kQ80, Encoding::kQ40,   Encoding::kQ41,
    Encoding::kQ50, Encoding::kQ51, Encoding::kIq4Nl, Encoding::kQ2K,
    Encoding::kQ3K, Encoding::kQ4K, Encoding::kQ5K,   Encoding::kQ6K};

// Where the f16 scales of a block lie, and a bound for them so that no number exceeds 1.
struct ScalePlaces {
  std::vector<size_t> at;
  float most;
};
inline ScalePlaces scale_places(Encoding e) {
  switch (e) {
    case Encoding::kQ41:
      return {{0, 2}, 1.0f / 16};
    case Encoding::kQ51:
      return {{0, 2}, 1.0f / 32};
    case Encoding::kQ50:
      return {{0}, 1.0f / 16};
    case Encoding::kQ2K:
      return {{80, 82}, 1.0f / 64};
    case Encoding::kQ3K:
      return {{108}, 1.0f / 128};
    case Encoding::kQ4K:
      return {{0, 2}, 1.0f / 1024};
    case Encoding::kQ5K:
      return {{0, 2}, 1.0f / 2048};
    case Encoding::kQ6K:
      return {{208}, 1.0f / 4096};
    default:
      return {{0}, 1.0f / 127};
  }
}

// Stores `numbers` (in [-1, 1]); an encoding that is read from files only gets codes made of their
// bits instead.
inline void store_row(Encoding e, const float* numbers, int64_t cols, std::byte* row) {
  if (can_encode(e)) return encode_row(e, numbers, cols, row);
  const auto size = size_t(row_bytes(e, cols));
  uint32_t state = 1;
  for (size_t i = 0; i < size; ++i) {
    uint32_t bits;
    std::memcpy(&bits, numbers + i % size_t(cols), sizeof bits);
    state = (state ^ bits) * 2654435761u + 12345;
    row[i] = std::byte(state >> 24);
  }
  const auto block = size_t(row_bytes(e, 1));
  const ScalePlaces places = scale_places(e);
  for (size_t b = 0; b < size; b += block) {
    for (const size_t at : places.at) {
      const float scale = numbers[(b + at) % size_t(cols)] * places.most;
      const uint16_t half = base::float_to_f16(scale);
      std::memcpy(row + b + at, &half, sizeof half);
    }
  }
}

}  // namespace ocelli::encoding
