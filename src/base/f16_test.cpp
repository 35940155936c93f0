#include "base/f16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ocelli::base {
namespace {

float from_bits(uint32_t bits) {
  return std::bit_cast<float>(bits);
}

TEST(Bf16, RoundsToNearestEven) {
  static_assert(float_to_bf16(1.0f) == 0x3F80);
  EXPECT_EQ(float_to_bf16(from_bits(0x3F808000)), 0x3F80);  // tie, even below
  EXPECT_EQ(float_to_bf16(from_bits(0x3F818000)), 0x3F82);  // tie, even above
  EXPECT_EQ(float_to_bf16(from_bits(0x3F808001)), 0x3F81);
  EXPECT_EQ(float_to_bf16(from_bits(0x3F807FFF)), 0x3F80);
  EXPECT_EQ(float_to_bf16(from_bits(0x7F7FFFFF)), 0x7F80);  // the largest float rounds to infinity
  EXPECT_EQ(float_to_bf16(-0.0f), 0x8000);
  EXPECT_EQ(float_to_bf16(from_bits(0x00000001)), 0x0000);
  EXPECT_EQ(float_to_bf16(from_bits(0x00018000)), 0x0002);  // subnormal, tie
  EXPECT_EQ(float_to_bf16(from_bits(0x7F800001)), 0x7FC0);  // a payload in the low half only
  EXPECT_EQ(float_to_bf16(from_bits(0xFFFFFFFF)), 0xFFFF);  // the sum would wrap to zero
}

TEST(Bf16, EveryValueSurvives) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = bf16_to_float(uint16_t(bits));
    const uint32_t expected = std::isnan(value) ? bits | 0x40 : bits;
    ASSERT_EQ(float_to_bf16(value), expected);
  }
}

TEST(F16, KnownValues) {
  static_assert(float_to_f16(1.0f) == 0x3C00 && f16_to_float(0xC000) == -2.0f);
  EXPECT_EQ(f16_to_float(0x7BFF), 65504.0f);
  EXPECT_EQ(f16_to_float(0x0001), 0x1p-24f);
  EXPECT_EQ(f16_to_float(0x03FF), 1023 * 0x1p-24f);
  EXPECT_EQ(f16_to_float(0x0400), 0x1p-14f);
  EXPECT_EQ(f16_to_float(0xFC00), -std::numeric_limits<float>::infinity());
  EXPECT_EQ(float_to_f16(65519.996f), 0x7BFF);
  EXPECT_EQ(float_to_f16(65520.0f), 0x7C00);  // tie between 65504 and 65536: even is infinity
  EXPECT_EQ(float_to_f16(1e30f), 0x7C00);
  EXPECT_EQ(float_to_f16(0x1p-25f), 0x0000);  // tie, even is zero
  EXPECT_EQ(float_to_f16(std::nextafter(0x1p-25f, 1.0f)), 0x0001);
  EXPECT_EQ(float_to_f16(0x1.8p-24f), 0x0002);  // tie between 1 and 2
  EXPECT_EQ(float_to_f16(-0.0f), 0x8000);
  EXPECT_EQ(float_to_f16(std::nextafter(0x1p-14f, 0.0f)), 0x0400);  // carries into the normals
  EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(from_bits(0x7F800001)))));
}

TEST(F16, EveryValueSurvives) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = f16_to_float(uint16_t(bits));
    const uint32_t expected = std::isnan(value) ? bits | 0x200 : bits;
    ASSERT_EQ(float_to_f16(value), expected);
  }
}

// Against arithmetic in double: the nearest of the two neighbours, ties to the even one.
TEST(F16, RoundsEveryStepRight) {
  for (uint32_t bits = 0; bits < 0x7BFF; ++bits) {
    const double low = f16_to_float(uint16_t(bits)), high = f16_to_float(uint16_t(bits + 1));
    const auto middle = float((low + high) / 2);  // exact
    ASSERT_EQ(float_to_f16(middle), (bits & 1) ? bits + 1 : bits);
    ASSERT_EQ(float_to_f16(std::nextafter(middle, 0.0f)), bits);
    ASSERT_EQ(float_to_f16(std::nextafter(middle, 1e9f)), bits + 1);
    ASSERT_EQ(float_to_f16(-std::nextafter(middle, 1e9f)), (bits + 1) | 0x8000);
  }
}

#if defined(__x86_64__)
__attribute__((target("f16c"))) uint16_t hardware_f16(float value) {
  return uint16_t(
      _mm_extract_epi16(_mm_cvtps_ph(_mm_set1_ps(value), _MM_FROUND_TO_NEAREST_INT), 0));
}
__attribute__((target("f16c"))) uint32_t hardware_float(uint16_t bits) {
  return uint32_t(_mm_cvtsi128_si32(_mm_castps_si128(_mm_cvtph_ps(_mm_set1_epi16(short(bits))))));
}

TEST(F16, EqualsTheHardware) {
  // Every CPU with AVX2 has F16C, which clang 14 cannot ask for.
  if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "2 checks skipped: no F16C here";
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    ASSERT_EQ(std::bit_cast<uint32_t>(f16_to_float(uint16_t(bits))),
              hardware_float(uint16_t(bits)));
  }
  // Every exponent with every upper fraction, and lower bits around the ties.
  for (uint64_t high = 0; high < 1u << 20; ++high) {
    for (const uint32_t low : {0x000u, 0x001u, 0x7FFu, 0x800u, 0x801u, 0xFFFu}) {
      const float value = from_bits(uint32_t(high << 12) | low);
      ASSERT_EQ(float_to_f16(value), hardware_f16(value)) << std::hex << (high << 12 | low);
    }
  }
}
#endif

}  // namespace
}  // namespace ocelli::base
