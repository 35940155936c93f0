#include "base/error.h"

#include <gtest/gtest.h>

#include <memory>

#include "base/result.h"

namespace ocelli::base {
namespace {

Result<int> half(int number) {
  if (number % 2) return fail(Code::kBadInput, "is odd (" + std::to_string(number) + ")", "number");
  return number / 2;
}

Result<std::string> quarter(int number) {
  OCELLI_ASSIGN(const int first, half(number));
  OCELLI_ASSIGN(const int second, half(first).in("first half"));
  return std::to_string(second);
}

Status check_even(int number) {
  OCELLI_TRY(half(number));
  return {};
}

TEST(Result, CarriesTheValueOrTheError) {
  EXPECT_EQ(quarter(12).value(), "3");
  EXPECT_EQ(quarter(7).error().message(), "number: is odd (7)");
  EXPECT_EQ(quarter(6).error().message(), "first half: number: is odd (3)");
  EXPECT_TRUE(check_even(2).ok());
  EXPECT_EQ(check_even(1).in("row 3").error().message(), "row 3: number: is odd (1)");
  EXPECT_TRUE(check_even(2).in("row 3").ok());
  Result<std::unique_ptr<int>> moved(std::make_unique<int>(5));
  EXPECT_EQ(*std::move(moved).value(), 5);
}

TEST(ResultDeathTest, ValueOfAnErrorIsOurMistake) {
  EXPECT_DEATH((void)half(1).value(), "internal: .*result.h.*holds an error");
}

TEST(Error, PrintsHostileTextHarmlessly) {
  EXPECT_EQ(fail(Code::kBadInput, "what").message(), "what");
  EXPECT_EQ(fail(Code::kBadInput, "wh\nat", "a\x1b[2Jb").message(), "a\\x1b[2Jb: wh\\x0aat");
  EXPECT_EQ(printable("\xff\xc3\xa9\x7f"), "\\xff\xc3\xa9\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"
                      "1m"),
            "\\xc2\\x9b1m");  // a control character of two bytes
  EXPECT_EQ(printable(std::string(10, 'a'), 4), "aaaa...");
  EXPECT_EQ(printable("abcd", 4), "abcd");
  EXPECT_LT(
      fail(Code::kBadInput, std::string(1 << 20, 'x'), std::string(1 << 20, 'y')).message().size(),
      6000u);
}

}  // namespace
}  // namespace ocelli::base
