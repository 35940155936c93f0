#include "base/bounded_reader.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace ocelli::base {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

TEST(Checked, SumsAndProducts) {
  EXPECT_EQ(checked_add<uint64_t>(1, 2), 3u);
  EXPECT_EQ(checked_add<uint64_t>(UINT64_MAX, 0), UINT64_MAX);
  EXPECT_EQ(checked_add<uint64_t>(UINT64_MAX, 1), std::nullopt);
  EXPECT_EQ(checked_add<int64_t>(INT64_MIN, -1), std::nullopt);
  EXPECT_EQ(checked_mul<uint64_t>(uint64_t{1} << 32, uint64_t{1} << 32), std::nullopt);
  EXPECT_EQ(checked_mul<int64_t>(INT64_MIN, -1), std::nullopt);
  EXPECT_EQ(checked_mul<int32_t>(46341, 46341), std::nullopt);
  EXPECT_EQ(checked_mul<int32_t>(46340, 46340), 2147395600);
  static_assert(checked_mul<uint8_t>(16, 16) == std::nullopt);
}

TEST(Checked, ProductOfAShape) {
  const auto product = [](std::vector<int64_t> shape) {
    return checked_product(std::span<const int64_t>(shape));
  };
  EXPECT_EQ(product({}), 1);
  EXPECT_EQ(product({3, 4, 5}), 60);
  EXPECT_EQ(product({int64_t{1} << 42, 1152 + (int64_t{1} << 21)}), std::nullopt);
  EXPECT_EQ(product({int64_t{1} << 62, 4, 0}), 0);
}

TEST(BoundedReader, ReadsLittleEndian) {
  using namespace std::string_view_literals;
  BoundedReader in(bytes_of("\x01\x02\x03\x04\x05\x06\x07\x88\xff\x00\x00\x80\x3f"
                            "abc"sv),
                   100);
  EXPECT_EQ(in.read<uint64_t>("number").value(), 0x8807060504030201u);
  EXPECT_EQ(in.offset(), 108u);
  EXPECT_EQ(in.read<int8_t>("number").value(), -1);
  EXPECT_EQ(in.read<float>("number").value(), 1.0f);
  EXPECT_EQ(in.read_string("name", 3).value(), "abc");
  EXPECT_TRUE(in.at_end());
  EXPECT_TRUE(in.read_bytes("nothing", 0).ok());
}

TEST(BoundedReader, NamesWhatIsMissing) {
  BoundedReader in(bytes_of("abcde"), 1000);
  ASSERT_TRUE(in.skip("padding", 2).ok());
  const auto number = in.read<uint32_t>("tensor count");
  ASSERT_FALSE(number.ok());
  EXPECT_EQ(number.error().code, Code::kBadInput);
  EXPECT_EQ(
      number.error().what,
      "expected 4 bytes of tensor count at byte 1002, file has 3 left; it may be an incomplete "
      "download");
  EXPECT_EQ(in.remaining(), 3u);  // a failure takes nothing
  for (const uint64_t length : {uint64_t{4}, uint64_t{1} << 32, UINT64_MAX}) {
    EXPECT_FALSE(in.read_string("name", length).ok());
    EXPECT_FALSE(in.read_bytes("name", length).ok());
    EXPECT_FALSE(in.skip("name", length).ok());
    EXPECT_FALSE(in.read_array("name", length, 1).ok());
    EXPECT_FALSE(in.read_array("name", 1, length).ok());
  }
  const auto wrapped = in.read_array("offsets", uint64_t{1} << 61, 8);
  EXPECT_NE(wrapped.error().what.find("2305843009213693952 times 8 bytes of offsets"),
            std::string::npos);
  EXPECT_TRUE(in.read_array("offsets", 3, 1).ok());
  EXPECT_TRUE(in.read_array("offsets", UINT64_MAX, 0).ok());
  BoundedReader empty({});
  EXPECT_FALSE(empty.read<uint8_t>("byte").ok());
}

TEST(BoundedReader, ChecksRanges) {
  BoundedReader in(bytes_of(std::string_view("\x05\x00\x09\x00", 4)));
  EXPECT_EQ(in.read_within<uint16_t>("dims", 1, 8).value(), 5);
  EXPECT_EQ(in.read_within<uint16_t>("dims", 1, 8).error().what,
            "dims at byte 2 is out of range (9, limit 1 to 8)");
}

TEST(BoundedReader, AlignsInTheFile) {
  const std::array<std::byte, 64> zeros{};
  BoundedReader in(zeros, 5);
  ASSERT_TRUE(in.align("padding", 32).ok());
  EXPECT_EQ(in.offset(), 32u);
  ASSERT_TRUE(in.align("padding", 32).ok());
  EXPECT_EQ(in.offset(), 32u);
  EXPECT_FALSE(in.align("padding", 0x4000'0000'0000'0001u).ok());
}

}  // namespace
}  // namespace ocelli::base
