// How tokens of characters become text, a token at a time.
#include "text/decoder.h"

#include "text/detokenizer.h"
#include "text/tokenizer_test_support.h"

namespace ocelli::text {
namespace {

// <0xE4> <0xB8> <0x80> <0x41> ▁a ▁ b <s> <0x+5>
Tokenizer tokenizer_with(const std::string& decoder) {
  return parse_or_die(
      R"({"added_tokens":[{"id":7,"content":"<s>","special":true}],"decoder":)" + decoder +
      R"(,"model":{"type":"BPE","merges":[],"vocab":{"<0xE4>":0,"<0xB8>":1,"<0x80>":2,"<0x41>":3,
          "\u2581a":4,"\u2581":5,"b":6,"<s>":7,"<0x+5>":8}}})");
}

constexpr const char* kLlama =
    R"({"type":"Sequence","decoders":[
        {"type":"Replace","pattern":{"String":"\u2581"},"content":" "},
        {"type":"ByteFallback"},{"type":"Fuse"},
        {"type":"Strip","content":" ","start":1,"stop":0}]})";

std::vector<std::string> streamed(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  Detokenizer stream(tokenizer);
  std::vector<std::string> parts;
  for (const int32_t id : ids) parts.push_back(stream.push(id));
  parts.push_back(stream.finish());
  return parts;
}

using testing::ElementsAre;

TEST(Decoder, BytesWaitForTheTokenBehindThem) {
  const Tokenizer tokenizer = tokenizer_with(kLlama);
  EXPECT_THAT(streamed(tokenizer, {4, 0, 1, 2, 6}), ElementsAre("a", "", "", "",
                                                                "\xE4\xB8\x80"
                                                                "b",
                                                                ""));
  EXPECT_THAT(streamed(tokenizer, {0, 1, 2}), ElementsAre("", "", "", "\xE4\xB8\x80"));
  EXPECT_THAT(streamed(tokenizer, {3, 6}), ElementsAre("", "Ab", ""));
}

// One byte that is not text makes U+FFFD of all bytes beside it, as in the original.
TEST(Decoder, ABrokenRunIsReplacedByteByByte) {
  const Tokenizer tokenizer = tokenizer_with(kLlama);
  const std::string unknown = "\xEF\xBF\xBD";
  EXPECT_EQ(*tokenizer.decode(std::vector<int32_t>{3, 0, 1, 6}), unknown + unknown + unknown + "b");
  EXPECT_THAT(streamed(tokenizer, {0, 1}), ElementsAre("", "", unknown + unknown));
  EXPECT_EQ(*tokenizer.decode(std::vector<int32_t>{8}), "\x05");
}

TEST(Decoder, OnlyTheStartOfTheTextIsStripped) {
  const Tokenizer tokenizer = tokenizer_with(kLlama);
  EXPECT_THAT(streamed(tokenizer, {7, 4, 4}), ElementsAre("", "a", " a", ""));
  EXPECT_THAT(streamed(tokenizer, {5, 5, 4}), ElementsAre("", " ", " a", ""));
  EXPECT_THAT(streamed(tokenizer, {6, 4}), ElementsAre("b", " a", ""));
  Detokenizer twice(tokenizer);
  for (int i = 0; i < 2; ++i) {  // ready for another text
    EXPECT_EQ(twice.push(4), "a");
    EXPECT_EQ(twice.finish(), "");
  }
  EXPECT_EQ(*tokenizer.decode(std::vector<int32_t>{7, 4}, false), "<s> a");
}

TEST(Decoder, MetaspaceDropsThePrefixOfTheFirstToken) {
  const Tokenizer tokenizer =
      tokenizer_with(R"({"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first"})");
  EXPECT_THAT(streamed(tokenizer, {4, 4, 0}), ElementsAre("a", " a", "<0xE4>", ""));
  EXPECT_THAT(streamed(tokenizer, {7, 5, 4}), ElementsAre("", "", " a", ""));
  const Tokenizer never =
      tokenizer_with(R"({"type":"Metaspace","replacement":"\u2581","prepend_scheme":"never"})");
  EXPECT_THAT(streamed(never, {4, 4}), ElementsAre(" a", " a", ""));
}

TEST(Decoder, StripsEachTokenWhereNothingIsFused) {
  const Tokenizer tokenizer = tokenizer_with(
      R"({"type":"Sequence","decoders":[
          {"type":"Strip","content":"\u2581","start":2,"stop":1},{"type":"ByteFallback"}]})");
  EXPECT_THAT(streamed(tokenizer, {4, 5, 3, 6}), ElementsAre("a", "", "", "Ab", ""));
}

}  // namespace
}  // namespace ocelli::text
