// Strips against the plain rows that they are made of.
#include "encoding/strips.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

namespace ocelli::encoding {
namespace {

using Shape = std::tuple<Encoding, int64_t, int64_t>;

class StripsTest : public testing::TestWithParam<Shape> {
 protected:
  StripsTest() {
    std::tie(plain_.encoding, plain_.rows, plain_.cols) = GetParam();
    const int64_t stride = row_bytes(plain_.encoding, plain_.cols);
    rows_.resize(size_t(plain_.rows * stride));
    std::vector<float> row(size_t(plain_.cols));
    for (int64_t r = 0; r < plain_.rows; ++r) {
      for (int64_t c = 0; c < plain_.cols; ++c)
        row[size_t(c)] = float(std::sin(double(r * 131 + c) * 1.7) * std::exp2(double(c % 9) - 4));
      encode_row(plain_.encoding, row.data(), plain_.cols, rows_.data() + r * stride);
    }
    plain_.data = rows_.data();
  }

  // Packed `shift` bytes behind aligned memory.
  Weight pack(size_t shift) {
    const StripShape s = strip_shape(plain_.encoding, plain_.rows, plain_.cols);
    std::vector<float> scales(size_t(s.strips * kStrip));
    packed_.assign(size_t(s.bytes()) + shift, std::byte{0xee});
    std::byte* const strips = packed_.data() + shift + s.scale_bytes();
    for (int64_t i = 0; i < s.strips; ++i) {
      pack_strip(plain_, i * kStrip, std::min(kStrip, plain_.rows - i * kStrip),
                 &scales[size_t(i * kStrip)], strips + i * s.strip_bytes);
    }
    std::copy_n(reinterpret_cast<const std::byte*>(scales.data()), s.scale_bytes(),
                packed_.data() + shift);
    return {plain_.encoding, Layout::kPacked, plain_.rows, plain_.cols, packed_.data() + shift};
  }

  Weight plain_;
  std::vector<std::byte> rows_, packed_;
};

TEST_P(StripsTest, GoesThereAndBack) {
  const int64_t stride = row_bytes(plain_.encoding, plain_.cols);
  for (const size_t shift : {0, 1}) {
    const Weight w = pack(shift);
    std::vector<std::byte> row(size_t(stride), std::byte{0xaa});
    std::vector<float> want(size_t(plain_.cols)), got(want);
    for (int64_t r = 0; r < plain_.rows; ++r) {
      plain_row(w, r, row.data());
      ASSERT_TRUE(std::equal(row.begin(), row.end(), plain_.row(r))) << "row " << r;
      decode_row(plain_.encoding, plain_.row(r), 0, plain_.cols, want.data());
      unpack_row(w, r, got.data());
      ASSERT_EQ(got, want) << "row " << r;
    }
  }
}

// Of a damaged file: any bytes are some numbers, the same both ways.
TEST_P(StripsTest, AnyBytesAreNumbers) {
  Weight w = pack(0);
  uint32_t state = 7;
  for (std::byte& b : packed_) b = std::byte((state = state * 1664525 + 1013904223) >> 24);
  std::vector<std::byte> row(size_t(row_bytes(w.encoding, w.cols)));
  std::vector<float> want(size_t(w.cols)), got(want);
  for (int64_t r = 0; r < w.rows; ++r) {
    plain_row(w, r, row.data());
    decode_row(w.encoding, row.data(), 0, w.cols, want.data());
    unpack_row(w, r, got.data());
    for (int64_t c = 0; c < w.cols; ++c) {
      const float a = want[size_t(c)], b = got[size_t(c)];
      ASSERT_TRUE(a == b || (std::isnan(a) && std::isnan(b))) << r << " " << c;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, StripsTest,
                         testing::Combine(testing::Values(Encoding::kQ8, Encoding::kQ4),
                                          testing::Values(1, 16, 35),
                                          testing::Values(1, 33, 160, 288)));

TEST(Strips, Shapes) {
  EXPECT_EQ(strip_shape(Encoding::kQ8, 17, 33).bytes(), 2 * (64 + 2 * 512));
  EXPECT_EQ(strip_shape(Encoding::kQ4, 17, 160).bytes(), 2 * (64 + 2 * 64 + 5 * 256));
  constexpr int64_t kMost = int64_t{1} << 31;
  for (const Encoding e : {Encoding::kQ8, Encoding::kQ4}) {
    EXPECT_GT(strip_shape(e, kMost, kMost).bytes(), int64_t{1} << 61);
    EXPECT_EQ(strip_shape(e, 100, 1000).bytes() % kStripAlignment, 0);
  }
  EXPECT_FALSE(has_strips(Encoding::kQ80));
  EXPECT_FALSE(has_strips(Encoding::kBF16));
}

}  // namespace
}  // namespace ocelli::encoding
