#include "base/utf8.h"

#include <gtest/gtest.h>

namespace ocelli::base {
namespace {

TEST(Utf8, EdgesOfEveryLength) {
  const std::pair<uint32_t, std::string> cases[] = {
      {0x00, std::string(1, '\0')},
      {0x7F, "\x7F"},
      {0x80, "\xC2\x80"},
      {0x7FF, "\xDF\xBF"},
      {0x800, "\xE0\xA0\x80"},
      {0xD7FF, "\xED\x9F\xBF"},
      {0xE000, "\xEE\x80\x80"},
      {0xFFFD, "\xEF\xBF\xBD"},
      {0xFFFF, "\xEF\xBF\xBF"},
      {0x10000, "\xF0\x90\x80\x80"},
      {0x10FFFF, "\xF4\x8F\xBF\xBF"},
  };
  for (const auto& [code_point, bytes] : cases) {
    std::string out;
    append_utf8(out, code_point);
    EXPECT_EQ(out, bytes) << std::hex << code_point;
    const Utf8Char c = next_utf8("x" + bytes + "y", 1);
    EXPECT_TRUE(c.valid);
    EXPECT_EQ(c.code_point, code_point);
    EXPECT_EQ(c.bytes, bytes.size());
    EXPECT_TRUE(is_valid_utf8(bytes));
    EXPECT_EQ(replace_invalid_utf8(bytes), bytes);
  }
}

TEST(Utf8, EveryCodePointSurvives) {
  for (uint32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string out;
    append_utf8(out, c);
    const Utf8Char back = next_utf8(out, 0);
    ASSERT_TRUE(back.valid && back.code_point == c && back.bytes == out.size()) << c;
  }
}

// What Python 3 gives for bytes.decode("utf-8", errors="replace"); R stands for U+FFFD. The rows
// with F0 80, E1 80 E2 and F1 80 80 are the Unicode standard's own examples (section 3.9).
TEST(Utf8, BrokenSequencesAreReplacedAsPythonDoes) {
  const std::pair<std::string, std::string> cases[] = {
      {"\x80", "R"},                      // a continuation alone
      {"\xBF\xBF", "RR"},                 //
      {"\xC0\x80", "RR"},                 // overlong NUL
      {"\xC1\xBF", "RR"},                 //
      {"\xE0\x80\xAF", "RRR"},            // overlong
      {"\xE0\x9F\xBF", "RRR"},            //
      {"\xF0\x80\x80\xAF", "RRRR"},       //
      {"\xF0\x8F\xBF\xBF", "RRRR"},       //
      {"\xED\xA0\x80", "RRR"},            // a surrogate
      {"\xED\xBF\xBF", "RRR"},            //
      {"\xF4\x90\x80\x80", "RRRR"},       // above U+10FFFF
      {"\xF5\x80\x80\x80", "RRRR"},       //
      {"\xF8\x88\x80\x80\x80", "RRRRR"},  // five bytes
      {"\xFE\xFF", "RR"},                 //
      {"\xC2", "R"},                      // cut off
      {"\xE2\x82", "R"},                  //
      {"\xF0\x9F\x98", "R"},              //
      {"\xC2"
       "A",
       "RA"},  //
      {"\xE2\x82"
       "A",
       "RA"},  //
      {"\xF0\x9F"
       "A",
       "RA"},  //
      {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF"
       "A",
       "RRRRA"},  //
      {"a\xF1\x80\x80\xE1\x80\xC2"
       "b\x80"
       "c\x80\xBF"
       "d",
       "aRRRbRcRRd"},
  };
  for (const auto& [bytes, picture] : cases) {
    std::string expected;
    for (const char c : picture) expected += c == 'R' ? "\xEF\xBF\xBD" : std::string(1, c);
    EXPECT_EQ(replace_invalid_utf8(bytes), expected) << testing::PrintToString(bytes);
    EXPECT_FALSE(is_valid_utf8(bytes));
  }
}

TEST(Utf8, IncompleteTail) {
  const std::pair<std::string, size_t> cases[] = {
      {"", 0},
      {"a", 0},
      {"\xC2", 1},
      {"a\xC2\x80", 0},
      {"\xE2\x82", 2},
      {"\xE2\x82\xAC", 0},
      {"\xF0\x9F\x98", 3},
      {"\xF0\x9F\x98\x80", 0},
      {"\xF0\x9F", 2},
      {"\xF0", 1},
      {"\x80", 0},
      {"\x80\x80\x80\x80", 0},
      {"\xE0\x80", 0},
      {"\xED\xA0", 0},
      {"\xF4\x90", 0},
      {"\xC0", 0},
      {"\xFF", 0},
      {"\xE2\x82"
       "a",
       0},
      {"\xC2\x80\x80", 0},
      {"\xE2\xE2", 1},
  };
  for (const auto& [bytes, count] : cases) {
    EXPECT_EQ(incomplete_utf8_tail(bytes), count) << testing::PrintToString(bytes);
  }
}

}  // namespace
}  // namespace ocelli::base
