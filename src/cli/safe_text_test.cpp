#include "cli/safe_text.h"

#include <gtest/gtest.h>

#include "base/utf8.h"

namespace ocelli::cli {
namespace {

TEST(SafeText, PlainTextStaysAsItIs) {
  const std::string text =
      "turtle\n\tcaf\xc3\xa9 \xf0\x9f\x90\xa2 \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb "
      "\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85 <think> \\x1b";
  EXPECT_EQ(safe_text(text), text);
}

TEST(SafeText, AttacksOnTerminalsAreVisible) {
  const std::pair<std::string, std::string> kCases[] = {
      {"\033]0;owned\007", "\\x1b]0;owned\\x07"},                   // window title
      {"\033]52;c;cm0gLXJm\033\\", "\\x1b]52;c;cm0gLXJm\\x1b\\"},   // clipboard
      {"\033]8;;http://x\033\\y", "\\x1b]8;;http://x\\x1b\\y"},     // link
      {"\033[2J\033[31mred\033[c", "\\x1b[2J\\x1b[31mred\\x1b[c"},  // CSI, reports
      {"\033Pq#0\033\\", "\\x1bPq#0\\x1b\\"},                       // DCS
      {"\033_Ga=T\033\\", "\\x1b_Ga=T\\x1b\\"},                     // APC: pictures
      {"\xc2\x9b"
       "31m\xc2\x9d"
       "0;t\xc2\x9c",
       "\\x9b31m\\x9d0;t\\x9c"},  // the same as C1
      {"a\bb\x7f\x0c\x0e", "a\\x08b\\x7f\\x0c\\x0e"},
      {"safe\rowned", "safe\\x0downed"},  // overwrites the line
      {"one\r\ntwo\r", "one\ntwo\\x0d"},
      {std::string("nul\0", 4), "nul\\x00"},
      {"\xe2\x80\xaegpj.exe\xe2\x81\xa6", "\\u202egpj.exe\\u2066"},  // order of letters
      {"\xe2\x80\x8fx\xd8\x9c\xe2\x80\xa8", "\\u200fx\\u061c\\u2028"},
      {"\x9b"
       "31m\xff",
       "\xef\xbf\xbd"
       "31m\xef\xbf\xbd"},  // not UTF-8
  };
  for (const auto& [bad, good] : kCases) EXPECT_EQ(safe_text(bad), good);
}

TEST(SafeText, TheCutBetweenPiecesDoesNotMatter) {
  const std::string text =
      "a\033]0;t\007\r\nb\xe2\x80\xae\xc2\x9b\xf0\x9f\x90\xa2\r\xe2\x80 \xf0\x9f\r";
  const std::string whole = safe_text(text);
  for (size_t a = 0; a <= text.size(); ++a) {
    for (size_t b = a; b <= text.size(); ++b) {
      SafeText filter;
      std::string out = filter.push(text.substr(0, a));
      out += filter.push(text.substr(a, b - a));
      out += filter.push(text.substr(b));
      ASSERT_EQ(out + filter.finish(), whole) << a << " " << b;
    }
  }
}

TEST(SafeText, NoByteOfAnyCharacterReachesTheTerminalAsAControl) {
  for (uint32_t c = 0; c < 0x3000; ++c) {
    std::string one;
    base::append_utf8(one, c);
    const std::string safe = safe_text(one);
    for (size_t at = 0; at < safe.size();) {
      const base::Utf8Char u = base::next_utf8(safe, at);
      at += u.bytes;
      const bool control = u.code_point < 0x20 || (u.code_point >= 0x7f && u.code_point < 0xa0);
      EXPECT_TRUE(!control || u.code_point == '\n' || u.code_point == '\t') << c;
    }
  }
}

}  // namespace
}  // namespace ocelli::cli
