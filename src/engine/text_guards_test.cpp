// StopMatcher and LiteralGuard: what text may come out, and what text may steer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/utf8.h"
#include "engine/literal_guard.h"
#include "engine/stop_matcher.h"

namespace ocelli::engine {
namespace {

using testing::ElementsAre;

TEST(StopMatcher, WithoutStopsEverythingPassesAtOnce) {
  StopMatcher m({});
  EXPECT_EQ(m.push("abc"), "abc");
  EXPECT_EQ(m.finish(), "");
  EXPECT_FALSE(m.stopped());
}

TEST(StopMatcher, StopOverSeveralPushes) {
  StopMatcher m({"STOP"});
  EXPECT_EQ(m.push("go S"), "go ");
  EXPECT_EQ(m.push("T"), "");
  EXPECT_EQ(m.push("O"), "");
  EXPECT_EQ(m.push("P and more"), "");
  EXPECT_TRUE(m.stopped());
  EXPECT_EQ(m.matched(), "STOP");
  EXPECT_EQ(m.push("nothing after"), "");
  EXPECT_EQ(m.finish(), "");
}

TEST(StopMatcher, AFalseStartIsGivenBack) {
  StopMatcher m({"STOP"});
  EXPECT_EQ(m.push("ST"), "");
  EXPECT_EQ(m.push("ART"), "START");
  EXPECT_EQ(m.push("STO"), "");
  EXPECT_EQ(m.finish(), "STO");
  EXPECT_FALSE(m.stopped());
}

TEST(StopMatcher, OverlappingCandidates) {
  StopMatcher m({"aab", "ba"});
  EXPECT_EQ(m.push("aaa"), "a");  // "aa" may become "aab"
  EXPECT_EQ(m.push("b"), "");     // "aab" is there
  EXPECT_EQ(m.matched(), "aab");
  StopMatcher self({"abab"});
  EXPECT_EQ(self.push("aba"), "");
  EXPECT_EQ(self.push("a"), "aba");
  EXPECT_EQ(self.push("bab"), "");
  EXPECT_TRUE(self.stopped());
}

TEST(StopMatcher, TheEarliestStopWins) {
  StopMatcher m({"second", "first"});
  EXPECT_EQ(m.push("x first second"), "x ");
  EXPECT_EQ(m.matched(), "first");
}

TEST(StopMatcher, AnEmptyStopIsIgnored) {
  StopMatcher m({""});
  EXPECT_EQ(m.push("abc"), "abc");
  EXPECT_FALSE(m.stopped());
}

// However a text is cut into pushes, the same comes out.
TEST(StopMatcher, CutsMakeNoDifference) {
  const std::string text = "ababcabcabdabab";
  for (const std::string stop : {"abcabd", "bab", "dd", "cabca", "a"}) {
    const size_t at = text.find(stop);
    const std::string expected = text.substr(0, at);
    for (size_t first = 0; first <= text.size(); ++first) {
      for (size_t second = first; second <= text.size(); ++second) {
        StopMatcher m({stop, "never there"});
        std::string out = m.push(text.substr(0, first));
        out += m.push(text.substr(first, second - first));
        out += m.push(text.substr(second));
        out += m.finish();
        ASSERT_EQ(out, expected) << stop << " " << first << " " << second;
        ASSERT_EQ(m.stopped(), at != std::string::npos);
      }
    }
  }
}

const std::vector<std::string> kControls{"<image>", "<end_of_utterance>", "<im", "\xE2\x96\x81x"};

TEST(LiteralGuard, ControlTokensOfAPersonStayText) {
  const std::string text = "say <image> and <end_of_utterance>\xE2\x96\x81x";
  auto guard = LiteralGuard::create(kControls, {text});
  ASSERT_TRUE(guard.ok());
  const std::string guarded = guard->guard(text);
  EXPECT_TRUE(guard->used());
  EXPECT_EQ(guarded.find("<image>"), std::string::npos);
  EXPECT_EQ(guarded.find("<end_of_utterance>"), std::string::npos);
  EXPECT_EQ(guard->unguard(guarded), text);
  std::vector<size_t> places;
  EXPECT_EQ(guard->unguard("<image>" + guarded + "<end_of_utterance>", &places),
            "<image>" + text + "<end_of_utterance>");
  EXPECT_THAT(places, ElementsAre(7 + 4, 7 + 16, 7 + 34));
}

TEST(LiteralGuard, PlainTextIsNotTouched) {
  const std::string text = "1 < 2 and image> \xC3\xA9\xF0\x9F\x8D\x8C";
  auto guard = LiteralGuard::create(kControls, {text});
  ASSERT_TRUE(guard.ok());
  EXPECT_EQ(guard->guard(text), text);
  EXPECT_FALSE(guard->used());
}

TEST(LiteralGuard, ControlsInsideControls) {
  auto guard = LiteralGuard::create(kControls, {});
  ASSERT_TRUE(guard.ok());
  std::vector<size_t> places;
  const std::string text = "<image><im<imag";
  EXPECT_EQ(guard->unguard(guard->guard(text), &places), text);
  EXPECT_THAT(places, ElementsAre(0, 7, 10));
}

TEST(LiteralGuard, ATextThatUsesSentinelsGetsAnotherOne) {
  std::string all;
  for (uint32_t c = 0x13000; c < 0x1342E; ++c) base::append_utf8(all, c);
  const std::string text = all + "<image>" + all;
  auto guard = LiteralGuard::create(kControls, {text});
  ASSERT_TRUE(guard.ok());
  const std::string guarded = guard->guard(text);
  EXPECT_EQ(guarded.find("<image>"), std::string::npos);
  EXPECT_EQ(guard->unguard(guarded), text);
}

TEST(LiteralGuard, ATextWithEverySentinelIsRefused) {
  std::string all;
  for (uint32_t c = 0x13000; c <= 0x1342E; ++c) base::append_utf8(all, c);
  const auto guard = LiteralGuard::create(kControls, {all});
  ASSERT_FALSE(guard.ok());
  EXPECT_EQ(guard.error().code, base::Code::kBadInput);
}

TEST(LiteralGuard, SentinelsOfOneTextCountForAll) {
  std::string first;
  base::append_utf8(first, 0x13000);
  const std::string second = "<image>";
  auto guard = LiteralGuard::create(kControls, {first, second});
  ASSERT_TRUE(guard.ok());
  EXPECT_EQ(guard->unguard(guard->guard(first)), first);
  EXPECT_EQ(guard->unguard(guard->guard(second)), second);
}

TEST(LiteralGuard, BrokenUtf8PassesThrough) {
  const std::string text =
      "\xFF<im\xC3"
      "age>\xE2\x96<image>\xF0";
  auto guard = LiteralGuard::create(kControls, {text});
  ASSERT_TRUE(guard.ok());
  const std::string guarded = guard->guard(text);
  EXPECT_EQ(guarded.find("<image>"), std::string::npos);
  EXPECT_EQ(guard->unguard(guarded), text);
}

}  // namespace
}  // namespace ocelli::engine
