// Rng: random numbers as a function of a key and a position, nothing else. Dropout computed a
// second time, on another number of threads or from the middle gives the same numbers.
//
// The function is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011): ten rounds over a counter of four 32-bit words under a key of two.
#pragma once

#include <array>
#include <cstdint>

#include "base/check.h"

namespace ocelli::base {

using PhiloxBlock = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

constexpr PhiloxBlock philox4x32(PhiloxBlock counter, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * counter[2];
    counter = {uint32_t(b >> 32) ^ counter[1] ^ key[0], uint32_t(b),
               uint32_t(a >> 32) ^ counter[3] ^ key[1], uint32_t(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

// Not thread-safe as a stream (next_*), but every method that takes an index is.
class Rng {
 public:
  // A stream of its own for each different (seed, step, layer, op). Requires layer < 2^16.
  constexpr explicit Rng(uint64_t seed, uint32_t step = 0, uint32_t layer = 0, uint32_t op = 0)
      : key_{uint32_t(seed), uint32_t(seed >> 32)}, step_(step), layer_(layer), op_(op) {
    OCELLI_CHECK(layer < (1u << 16), "a layer number below 65536");
  }

  // The index-th number of the stream. Requires index < 2^50.
  constexpr uint32_t u32_at(uint64_t index) const {
    const uint64_t block = index >> 2;  // four numbers each
    return philox4x32({uint32_t(block), uint32_t(block >> 32) | layer_ << 16, step_, op_},
                      key_)[index & 3];
  }
  constexpr float uniform_at(uint64_t index) const { return to_uniform(u32_at(index)); }

  // One after the other; next_u64() takes two.
  constexpr uint32_t next_u32() { return u32_at(next_++); }
  constexpr uint64_t next_u64() {
    const uint64_t low = next_u32();
    return uint64_t{next_u32()} << 32 | low;
  }
  // In [0, 1), a multiple of 2^-24, so that it is exact and never 1.
  constexpr float next_uniform() { return to_uniform(next_u32()); }
  // In [0, 1), a multiple of 2^-53.
  constexpr double next_uniform_double() { return double(next_u64() >> 11) * 0x1p-53; }

 private:
  static constexpr float to_uniform(uint32_t u) { return float(u >> 8) * 0x1p-24f; }

  PhiloxKey key_;
  uint32_t step_, layer_, op_;
  uint64_t next_ = 0;
};

}  // namespace ocelli::base
