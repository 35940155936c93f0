// The two 16-bit floats, converted bit for bit as hardware does (round to nearest, ties to even).
//
//   bf16   sign 1, exponent 8, fraction 7: the upper half of a float
//   f16    sign 1, exponent 5, fraction 10: IEEE binary16, largest 65504, smallest 2^-24
//
// NaN stays NaN: made quiet, its payload cut (AVX-512's vcvtneps2bf16 and F16C's vcvtps2ph).
// Subnormal numbers are kept in both. These are the scalar twins of the vector conversions.
#pragma once

#include <bit>
#include <cstdint>

namespace ocelli::base {

constexpr float bf16_to_float(uint16_t bits) {
  return std::bit_cast<float>(uint32_t{bits} << 16);
}

constexpr uint16_t float_to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return uint16_t(bits >> 16 | 0x40);  // NaN
  // Just under half of the last place, and the last place itself: a tie goes up where it is odd.
  return uint16_t((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

constexpr float f16_to_float(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  const uint32_t magnitude = bits & 0x7FFFu;
  if (magnitude >= 0x7C00) {  // infinity, or NaN (made quiet)
    const uint32_t quiet = magnitude > 0x7C00 ? 0x400000 : 0;
    return std::bit_cast<float>(sign | 0x7F800000 | (magnitude & 0x3FF) << 13 | quiet);
  }
  if (magnitude < 0x400) {  // zero or subnormal: magnitude * 2^-24, exact in a float
    const float value = float(magnitude) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(value));
  }
  return std::bit_cast<float>(sign | ((magnitude << 13) + (uint32_t{127 - 15} << 23)));
}

constexpr uint16_t float_to_f16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = uint16_t(bits >> 16 & 0x8000);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return uint16_t(sign | 0x7E00 | (magnitude >> 13 & 0x3FF));  // NaN
  if (magnitude >= 0x47800000) return uint16_t(sign | 0x7C00);  // 65536 and more: infinity
  if (magnitude >= 0x38800000) {  // 2^-14 and more: normal, and the carry may reach infinity
    const uint32_t rebased = magnitude - (uint32_t{127 - 15} << 23);
    return uint16_t(sign | (rebased + 0xFFF + (rebased >> 13 & 1)) >> 13);
  }
  const uint32_t exponent = magnitude >> 23;
  if (exponent < 102) return sign;  // below 2^-25: rounds to zero
  // Subnormal: the fraction with its hidden bit, shifted so that one unit is 2^-24.
  const uint32_t fraction = (magnitude & 0x7FFFFF) | 0x800000;
  const uint32_t shift = 126 - exponent;  // 14 to 24
  const uint32_t kept = fraction >> shift;
  const uint32_t rest = fraction & ((1u << shift) - 1), half = 1u << (shift - 1);
  return uint16_t(sign | (kept + (rest > half || (rest == half && (kept & 1)))));
}

}  // namespace ocelli::base
