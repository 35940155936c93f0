// SipHash (Aumasson, Bernstein 2012): a keyed hash for tables whose keys come from outside. With a
// secret key nobody can choose keys that collide, so tables stay linear on hostile files.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ocelli::base {

struct SipKey {
  uint64_t k0 = 0, k1 = 0;
};

// The key of this process, drawn from the system once. Nothing that a user sees may depend on it.
const SipKey& process_sip_key();

// SipHash-C-D. C = 2, D = 4 is the published default; tables use the faster C = 1, D = 3.
template <int C = 1, int D = 3>
uint64_t siphash(std::string_view text, const SipKey& key) {
  static_assert(std::endian::native == std::endian::little);
  uint64_t v0 = key.k0 ^ 0x736f6d6570736575u, v1 = key.k1 ^ 0x646f72616e646f6du;
  uint64_t v2 = key.k0 ^ 0x6c7967656e657261u, v3 = key.k1 ^ 0x7465646279746573u;
  const auto rounds = [&](int count) {
    for (int i = 0; i < count; ++i) {
      v0 += v1, v1 = std::rotl(v1, 13) ^ v0, v0 = std::rotl(v0, 32);
      v2 += v3, v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3, v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1, v1 = std::rotl(v1, 17) ^ v2, v2 = std::rotl(v2, 32);
    }
  };
  const auto absorb = [&](uint64_t word) {
    v3 ^= word;
    rounds(C);
    v0 ^= word;
  };
  size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + at, 8);
    absorb(word);
  }
  uint64_t last = uint64_t{text.size()} << 56;  // the length's low byte, above the 0-7 bytes left
  for (size_t i = 0; at + i < text.size(); ++i) {
    last |= uint64_t{static_cast<uint8_t>(text[at + i])} << (8 * i);
  }
  absorb(last);
  v2 ^= 0xff;
  rounds(D);
  return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace ocelli::base
