#include "encoding/encoding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "base/f16.h"
#include "encoding/guarded_row.h"
#include "encoding/weight.h"

namespace ocelli::encoding {
namespace {

using testing::Each;
using testing::ElementsAre;

// Those that are written here.
constexpr Encoding kAll[] = {Encoding::kF32, Encoding::kF16, Encoding::kBF16, Encoding::kQ8,
                             Encoding::kQ4,  Encoding::kQ80, Encoding::kQ40};
// One block, a part of one, several with a short last one (4304 = 134.5 blocks).
constexpr int64_t kWidths[] = {1, 31, 32, 33, 64, 576, 4304};

std::vector<float> noise(int64_t count, float spread = 1) {
  std::mt19937 random{uint32_t(count)};
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = normal(random);
  return values;
}

std::vector<float> decode(Encoding e, const std::vector<std::byte>& row, int64_t first,
                          int64_t count) {
  std::vector<float> out(size_t(count) + 1, 12345);
  decode_row(e, row.data(), first, count, out.data());
  EXPECT_EQ(out.back(), 12345) << "written past the end";
  out.pop_back();
  return out;
}

TEST(Encoding, NamesGoBothWays) {
  for (const Encoding e : kAll) EXPECT_EQ(from_name(name(e)), e);
  EXPECT_EQ(name(Encoding::kBF16), "bf16");
  EXPECT_EQ(from_name("q5_k_m"), std::nullopt);
  EXPECT_EQ(from_name(""), std::nullopt);
}

TEST(Encoding, SizesOfRows) {
  EXPECT_EQ(row_bytes(Encoding::kF32, 33), 132);
  EXPECT_EQ(row_bytes(Encoding::kF16, 33), 66);
  EXPECT_EQ(row_bytes(Encoding::kBF16, 33), 66);
  EXPECT_EQ(row_bytes(Encoding::kQ80, 32), 34);
  EXPECT_EQ(row_bytes(Encoding::kQ80, 33), 68);
  EXPECT_EQ(row_bytes(Encoding::kQ80, 576), 18 * 34);
  EXPECT_EQ(row_bytes(Encoding::kQ40, 33), 2 * 18);
  EXPECT_EQ(row_bytes(Encoding::kQ6K, 256), 210);
  EXPECT_EQ(row_bytes(Encoding::kQ6K, 257), 420);
  EXPECT_EQ(row_bytes(Encoding::kQ80, 4304), 135 * 34);
  const Weight w{.encoding = Encoding::kQ80, .rows = 3, .cols = 33};
  EXPECT_EQ(bytes(w), 3 * 68);
}

TEST(Encoding, KnownBytes) {
  const auto bytes_of = [](Encoding e, float v) {
    std::vector<int> out;
    for (const std::byte b : encode(e, {v})) out.push_back(int(b));
    return out;
  };
  EXPECT_THAT(bytes_of(Encoding::kF32, 1), ElementsAre(0, 0, 0x80, 0x3F));
  EXPECT_THAT(bytes_of(Encoding::kF16, 1), ElementsAre(0, 0x3C));
  EXPECT_THAT(bytes_of(Encoding::kBF16, -2), ElementsAre(0, 0xC0));
  // d = 127 / 127 = 1 = 0x3C00, then the code 127 and 31 spare ones.
  std::vector<int> q8(34, 0);
  q8[1] = 0x3C;
  q8[2] = 127;
  EXPECT_EQ(bytes_of(Encoding::kQ80, 127), q8);
}

TEST(Encoding, Q80CodesRoundHalfAwayFromZero) {
  const std::vector<std::byte> row =
      encode(Encoding::kQ80, {127, 0.5f, -0.5f, 1.5f, 2.5f, 0.49f, -127});
  const Group block = group_of(Encoding::kQ80, row.data(), 0);
  EXPECT_EQ(block.scale[0], 1);
  EXPECT_THAT(std::vector(block.codes, block.codes + 8), ElementsAre(127, 1, -1, 2, 3, 0, -127, 0));
}

TEST(Encoding, EveryWidthComesBack) {
  for (const int64_t cols : kWidths) {
    const std::vector<float> values = noise(cols);
    EXPECT_EQ(decode(Encoding::kF32, encode(Encoding::kF32, values), 0, cols), values);
    const auto f16 = decode(Encoding::kF16, encode(Encoding::kF16, values), 0, cols);
    const auto bf16 = decode(Encoding::kBF16, encode(Encoding::kBF16, values), 0, cols);
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(f16[i], base::f16_to_float(base::float_to_f16(values[i])));
      EXPECT_EQ(bf16[i], base::bf16_to_float(base::float_to_bf16(values[i])));
    }
  }
}

// What was decoded encodes to the same bytes again.
TEST(Encoding, DecodedNumbersAreKept) {
  for (const Encoding e : {Encoding::kF32, Encoding::kF16, Encoding::kBF16}) {
    const std::vector<std::byte> row = encode(e, noise(67));
    EXPECT_EQ(encode(e, decode(e, row, 0, 67)), row) << name(e);
  }
}

// |value - x| <= d / 2 where d is not rounded; rounding it moves a value by 127 d 2^-11 at most
// (one half of the last of 11 bits), and below 2^-14 by 127 * 2^-25.
TEST(Encoding, Q80StaysWithinHalfACode) {
  for (const float spread : {1e-4f, 0.02f, 1.0f, 3000.0f}) {
    for (const int64_t cols : kWidths) {
      const std::vector<float> values = noise(cols, spread);
      const std::vector<float> back =
          decode(Encoding::kQ80, encode(Encoding::kQ80, values), 0, cols);
      for (int64_t i = 0; i < cols; ++i) {
        const auto begin = values.begin() + i / 32 * 32,
                   end = values.begin() + std::min(cols, i / 32 * 32 + 32);
        const float most = std::abs(*std::max_element(
            begin, end, [](float a, float b) { return std::abs(a) < std::abs(b); }));
        const float d = most / 127;
        const float rounding = 127 * std::max(d * 0x1p-11f, 0x1p-25f);
        EXPECT_LE(std::abs(back[size_t(i)] - values[size_t(i)]), (d / 2 + rounding) * 1.0001f)
            << i << " of " << cols;
      }
    }
  }
}

// The extreme number is code -8; its mirror image has no code of its own and is a whole step off.
TEST(Encoding, Q40StaysWithinACode) {
  for (const float spread : {1e-3f, 0.02f, 1.0f, 3000.0f}) {
    for (const int64_t cols : kWidths) {
      const std::vector<float> values = noise(cols, spread);
      const std::vector<float> back =
          decode(Encoding::kQ40, encode(Encoding::kQ40, values), 0, cols);
      for (int64_t block = 0; block < cols; block += 32) {
        float most = 0;
        const int64_t end = std::min(cols, block + 32);
        for (int64_t i = block; i < end; ++i) most = std::max(most, std::abs(values[size_t(i)]));
        const float d = most / 8, rounding = 8 * std::max(d * 0x1p-11f, 0x1p-25f);
        for (int64_t i = block; i < end; ++i) {
          const bool mirrored = std::abs(values[size_t(i)]) > 7.5f * d;
          EXPECT_LE(std::abs(back[size_t(i)] - values[size_t(i)]),
                    ((mirrored ? d : d / 2) + rounding) * 1.0001f)
              << i << " of " << cols;
        }
      }
    }
  }
}

TEST(Encoding, SpareCodesAreZero) {
  const std::vector<std::byte> row = encode(Encoding::kQ80, std::vector<float>(33, 5));
  const Group last = group_of(Encoding::kQ80, row.data(), 1);
  EXPECT_EQ(last.codes[0], 127);
  EXPECT_THAT(std::vector(last.codes + 1, last.codes + 32), Each(0));
}

TEST(Encoding, PartsOfARow) {
  for (const Encoding e : kAll) {
    const int64_t cols = 4304;
    const std::vector<std::byte> row = encode(e, noise(cols));
    const std::vector<float> whole = decode(e, row, 0, cols);
    for (const auto [first, count] :
         {std::array<int64_t, 2>{32, 40}, {4288, 16}, {64, 1}, {0, 0}}) {
      const std::vector<float> part = decode(e, row, first, count);
      EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + first))
          << name(e) << " from " << first;
    }
  }
  std::vector<float> out(8);
  const std::vector<std::byte> row = encode(Encoding::kQ80, noise(64));
  EXPECT_DEATH(decode_row(Encoding::kQ80, row.data(), 8, 8, out.data()), "start of a block");
}

// Nothing is undefined, whatever a file holds.
TEST(Encoding, StrangeNumbers) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  const std::vector<float> strange = {nan, inf, -inf, 3e38f, -3e38f, 1e-45f, -1e-45f, 0};
  for (const Encoding e : kAll) {
    const std::vector<float> back = decode(e, encode(e, strange), 0, int64_t(strange.size()));
    EXPECT_EQ(back.back(), 0) << name(e);
    EXPECT_EQ(std::isnan(back[0]), block_cols(e) == 1) << name(e);
  }
  // A block too large for an f16 scale keeps its signs and saturates.
  const std::vector<float> large =
      decode(Encoding::kQ80, encode(Encoding::kQ80, {3e38f, -3e38f, 0}), 0, 3);
  EXPECT_THAT(large, ElementsAre(127 * 65504.0f, -127 * 65504.0f, 0));
  EXPECT_THAT(decode(Encoding::kQ80, encode(Encoding::kQ80, {1e-45f, -1e-45f}), 0, 2), Each(0));
  EXPECT_THAT(decode(Encoding::kQ80, encode(Encoding::kQ80, {nan, 1}), 0, 2),
              ElementsAre(0, testing::FloatNear(1, 1e-3f)));
}

struct Codes {
  std::vector<int8_t> codes;
  std::vector<float> scales;
};

Codes quantize(const std::vector<float>& values) {
  const size_t blocks = (values.size() + 31) / 32;
  Codes q{std::vector<int8_t>(blocks * 32, 99), std::vector<float>(blocks, 99)};
  quantize_row(values.data(), int64_t(values.size()), q.codes.data(), q.scales.data());
  return q;
}

TEST(QuantizeRow, RoundsHalfToEven) {
  const Codes q = quantize({127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -127});
  EXPECT_THAT(q.scales, ElementsAre(1));
  EXPECT_THAT(std::vector(q.codes.begin(), q.codes.begin() + 8),
              ElementsAre(127, 0, 2, 2, 0, -2, -127, 0));
}

// The scale is a float32 here, so the error is half a code and some roundings of float32.
TEST(QuantizeRow, StaysWithinHalfACode) {
  for (const int64_t cols : kWidths) {
    const std::vector<float> values = noise(cols);
    const Codes q = quantize(values);
    for (size_t i = 0; i < values.size(); ++i) {
      const float scale = q.scales[i / 32];
      EXPECT_LE(std::abs(float(q.codes[i]) * scale - values[i]),
                scale / 2 + 127 * scale * 0x1p-22f);
    }
    for (size_t i = values.size(); i < q.codes.size(); ++i)
      EXPECT_EQ(q.codes[i], 0) << "spare code";
    // The largest of each block is +-127.
    for (size_t b = 0; b < q.scales.size(); ++b) {
      const auto most = std::max_element(
          q.codes.begin() + int64_t(b) * 32, q.codes.begin() + int64_t(b) * 32 + 32,
          [](int8_t a, int8_t c) { return std::abs(a) < std::abs(c); });
      EXPECT_EQ(std::abs(*most), 127);
    }
  }
}

TEST(QuantizeRow, ZeroBlocksHaveScaleZero) {
  std::vector<float> values(64, 0);
  values[40] = 2;
  const Codes q = quantize(values);
  EXPECT_THAT(q.scales, ElementsAre(0, 2.0f / 127));
  EXPECT_THAT(std::vector(q.codes.begin(), q.codes.begin() + 32), Each(0));
}

TEST(QuantizeRow, StrangeNumbers) {
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isnan(quantize({std::nanf(""), 1}).scales[0]));
  EXPECT_EQ(quantize({1e-45f, 0, -1e-45f}).codes[1], 0);
  EXPECT_TRUE(std::isnan(quantize({inf, 0, 1}).scales[0]));
  EXPECT_TRUE(std::isnan(quantize({1, -inf}).scales[0]));
}

}  // namespace
}  // namespace ocelli::encoding
