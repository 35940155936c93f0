// Texts and files made to cost time: a text is one word here, and must stay near-linear.
#include <ctime>

#include "base/slower.h"
#include "sentencepiece_support.h"

namespace ocelli {
namespace {

constexpr size_t kMegabyte = 1'000'000;
// A megabyte takes some tenths of a second, and a second or two in a build with sanitizers on a
// busy machine; 10^11 steps take longer.
constexpr double kSeconds = 15 * base::kSlower;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::string repeated(std::string_view unit, size_t bytes) {
  std::string text;
  text.reserve(bytes + unit.size());
  while (text.size() < bytes) text += unit;
  return text;
}

std::string noise(size_t bytes, std::string_view letters) {
  std::string text;
  uint64_t state = 1;
  while (text.size() < bytes) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    text += letters[(state >> 33) % letters.size()];
  }
  return text;
}

std::vector<std::string> hostile_texts(size_t bytes) {
  std::vector<std::string> texts;
  for (const char* unit : {"a", " ", "\n", "1", "\xE4\xB8\xAD", "!",
                           "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB",  // joined emoji
                           "The water of 12 people\nis \xE4\xB8\xAD. ", "\xE2\x96\x81", "<s>",
                           "<start_of_turn", "<0x41>", "\xCC\x81", "\xEF\xB7\xBA", "\xC2\xBD",
                           "\xFF", "  x", "th", "\xEF\xAC\x81\xCC\x81"}) {
    texts.push_back(repeated(unit, bytes));
  }
  texts.push_back(noise(bytes, "abcdefghijklmnopqrstuvwxyz"));
  texts.push_back(noise(bytes, "the "));
  texts.push_back(repeated(std::string_view("\0", 1), bytes));
  return texts;
}

void expect_linear(const std::string& json, size_t bytes) {
  const auto tokenizer = Tokenizer::parse(json);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  for (const std::string& text : hostile_texts(bytes)) {
    const double start = cpu_seconds();
    const auto ids = tokenizer->encode(text, {.parse_special = false});
    ASSERT_TRUE(ids.ok()) << ids.error().message();
    ASSERT_TRUE(tokenizer->decode(*ids).ok());
    EXPECT_LT(cpu_seconds() - start, kSeconds) << base::printable(text, 40);
  }
}

TEST(HostileSentencePiece, AMegabyteInOneWord) {
  expect_linear(converted("llama"), kMegabyte);
}
TEST(HostileSentencePiece, EveryPipelineIsNearLinear) {
  for (const char* name : {"gemma", "words"}) expect_linear(converted(name), kMegabyte / 8);
  for (const char* name : {"legacy", "always", "never", "regex", "whole"})
    expect_linear(piped(name), kMegabyte / 16);
}

// Pieces of one letter only: every merge competes with every other.
TEST(HostileSentencePiece, RunsOfEveryLength) {
  formats::PieceModel model;
  for (size_t length = 1; length <= 128; ++length)
    model.pieces.push_back({.text = std::string(length, 'a')});
  model.unk_id = model.bos_id = model.eos_id = -1;
  const auto json = formats::tokenizer_json(model);
  ASSERT_TRUE(json.ok()) << json.error().message();
  const auto tokenizer = Tokenizer::parse(*json);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  const double start = cpu_seconds();
  const auto ids = tokenizer->encode(repeated("a", kMegabyte / 2));
  ASSERT_TRUE(ids.ok());
  EXPECT_LT(ids->size(), kMegabyte / 2 / 64);
  EXPECT_LT(cpu_seconds() - start, kSeconds);
}

TEST(HostileSentencePiece, StepsThatBlowATextUpAreStopped) {
  Json json = parse(converted("llama"));
  const auto with = [&](const char* normalizer) {
    json.set("normalizer", parse(normalizer));
    auto tokenizer = Tokenizer::parse(json.dump());
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().message();
    return std::move(*tokenizer);
  };
  const auto grown = with(
      R"({"type":"Sequence","normalizers":[
          {"type":"Replace","pattern":{"String":"a"},"content":"bbbbbbbbbbbbbbbb"},
          {"type":"Replace","pattern":{"String":"b"},"content":"cccccccccccccccc"}]})");
  EXPECT_TRUE(grown.encode("xyz").ok());
  const auto ids = grown.encode(std::string(1000, 'a'));
  ASSERT_FALSE(ids.ok());
  EXPECT_THAT(ids.error().message(), testing::HasSubstr("too long"));
  const auto bomb = with(R"({"type":"Replace","pattern":{"Regex":"(a+)+$"},"content":"x"})");
  const auto refused = bomb.encode(std::string(5000, 'a') + "!");
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), testing::HasSubstr("limit"));
}

// A charsmap whose trie points anywhere: no rule, or a rule, but never a crash.
TEST(HostileSentencePiece, BrokenCharsmapsDoNothingWorse) {
  const std::string file = fixture("gemma.model");
  auto model = formats::parse_sentencepiece(std::as_bytes(std::span(file)));
  ASSERT_TRUE(model.ok());
  const std::string whole = model->precompiled_charsmap;
  ASSERT_GT(whole.size(), 100u);
  uint64_t state = 3;
  int taken = 0;
  for (int i = 0; i < 60; ++i) {
    model->precompiled_charsmap = whole;
    for (int k = 0; k < 40; ++k) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      const size_t at = 4 + (state >> 33) % (whole.size() - 4);
      model->precompiled_charsmap[at] = static_cast<char>(state >> 25);
    }
    const auto json = formats::tokenizer_json(*model);
    ASSERT_TRUE(json.ok());
    const auto tokenizer = Tokenizer::parse(*json);
    if (!tokenizer.ok()) continue;
    ++taken;
    (void)tokenizer->encode("e\xCC\x81 \xC2\xBD\xEF\xAC\x81 water \xE2\x80\x8B\xEF\xB7\xBA");
  }
  EXPECT_GT(taken, 0);
}

// Documented: what is not UTF-8 is U+FFFD, everything else comes back as it was.
TEST(HostileSentencePiece, OddBytesRoundTrip) {
  const auto tokenizer = Tokenizer::parse(converted("gemma"));
  ASSERT_TRUE(tokenizer.ok());
  const std::pair<std::string, std::string> cases[] = {
      {std::string("a\0b", 3), std::string("a\0b", 3)},
      {"\xEF\xBB\xBF"
       "a",
       "\xEF\xBB\xBF"
       "a"},                                                     // a BOM
      {"\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF"},                  // the last code point
      {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},  // a surrogate
      {"a\xFFz", "a\xEF\xBF\xBDz"},
      {"\xE4\xB8", "\xEF\xBF\xBD"},
      {"\xC0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD"}};
  for (const auto& [text, want] : cases) {
    const auto ids = tokenizer->encode(text);
    ASSERT_TRUE(ids.ok());
    EXPECT_EQ(*tokenizer->decode(*ids), want) << base::printable(text);
  }
}

}  // namespace
}  // namespace ocelli
