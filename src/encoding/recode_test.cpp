#include "encoding/recode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace ocelli::encoding {
namespace {

constexpr Encoding kAll[] = {Encoding::kQ8, Encoding::kQ4, Encoding::kQ80, Encoding::kQ40};

std::vector<float> values(Encoding e, const std::vector<std::byte>& row, int64_t cols) {
  std::vector<float> out(static_cast<size_t>(cols));
  decode_row(e, row.data(), 0, cols, out.data());
  return out;
}

TEST(Recode, GivesOneColumnTheNearestValueAndLeavesTheOthers) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 0.1f);
  for (const Encoding e : kAll) {
    ASSERT_TRUE(can_recode(e));
    // Whole blocks for all, and a shorter last block where the encoding has them.
    for (const int64_t cols : {32, 288, e == Encoding::kQ8 || e == Encoding::kQ4 ? 75 : 64}) {
      std::vector<float> x(static_cast<size_t>(cols));
      for (float& v : x) v = normal(random);
      std::vector<std::byte> row(static_cast<size_t>(row_bytes(e, cols)));
      encode_row(e, x.data(), cols, row.data());
      for (int64_t c = 0; c < cols; ++c) {
        const std::vector<float> before = values(e, row, cols);
        const float wanted = normal(random);
        const float got = recode(e, row.data(), c, wanted);
        std::vector<float> after = values(e, row, cols);
        ASSERT_EQ(after[static_cast<size_t>(c)], got) << name(e);
        // Nothing nearer can be stored there: whatever is asked for is no nearer.
        for (const float other :
             {wanted - 0.02f, wanted - 0.004f, wanted + 0.004f, wanted + 0.02f}) {
          std::vector<std::byte> copy = row;
          const float value = recode(e, copy.data(), c, other);
          EXPECT_LE(std::abs(got - wanted), std::abs(value - wanted) * 1.0001f) << name(e);
        }
        after[static_cast<size_t>(c)] = before[static_cast<size_t>(c)];
        ASSERT_EQ(after, before) << name(e) << " column " << c;
      }
    }
  }
}

TEST(Recode, KeepsWhatIsStoredAlready) {
  std::mt19937 random(4);
  std::student_t_distribution<float> heavy(4);
  for (const Encoding e : kAll) {
    std::vector<float> x(320);
    for (float& v : x) v = heavy(random);
    std::vector<std::byte> row(static_cast<size_t>(row_bytes(e, 320)));
    encode_row(e, x.data(), 320, row.data());
    const std::vector<float> stored = values(e, row, 320);
    for (int64_t c = 0; c < 320; ++c)
      EXPECT_EQ(recode(e, row.data(), c, stored[static_cast<size_t>(c)]),
                stored[static_cast<size_t>(c)]);
    EXPECT_EQ(values(e, row, 320), stored);
  }
}

TEST(Recode, RowsOfZerosAndNumbersOutOfRange) {
  for (const Encoding e : kAll) {
    std::vector<float> x(64, 0.0f);
    std::vector<std::byte> row(static_cast<size_t>(row_bytes(e, 64)));
    encode_row(e, x.data(), 64, row.data());
    EXPECT_EQ(recode(e, row.data(), 5, 1.0f), 0.0f) << name(e);
    x[0] = 1;
    x[1] = -1;
    encode_row(e, x.data(), 64, row.data());
    EXPECT_GT(recode(e, row.data(), 2, std::numeric_limits<float>::infinity()), 0.8f) << name(e);
    EXPECT_LT(recode(e, row.data(), 2, -1e30f), -0.8f) << name(e);
    EXPECT_EQ(recode(e, row.data(), 2, std::nanf("")), 0.0f) << name(e);
  }
}

TEST(Recode, NothingElseHasCodesToChoose) {
  for (const Encoding e : {Encoding::kF32, Encoding::kF16, Encoding::kBF16, Encoding::kQ4K})
    EXPECT_FALSE(can_recode(e));
}

}  // namespace
}  // namespace ocelli::encoding
