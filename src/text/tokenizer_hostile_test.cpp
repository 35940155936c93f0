// Texts and files made to cost time: everything must stay near-linear, or end in an error.
#include <ctime>

#include "base/slower.h"
#include "text/tokenizer_test_support.h"

namespace ocelli::text {
namespace {

constexpr size_t kBytes = size_t{128} << 10;
// Ours takes a few hundredths of a second for each of these texts, and at most a second or two in a
// build with sanitizers on a busy machine; 10^10 steps take longer.
constexpr double kSeconds = 4 * base::kSlower;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::string repeated(std::string_view unit) {
  std::string text;
  while (text.size() < kBytes) text += unit;
  return text;
}

std::vector<std::string> hostile_texts() {
  std::vector<std::string> texts;
  for (const char* unit : {"a",
                           " ",
                           "7",
                           "\n",
                           "\t",
                           "'",
                           "!",
                           "ab",
                           " \n",
                           "\ta",
                           "\xE4\xB8\x80",
                           "\xF0\x9F\x98\x80",
                           "\xCC\x81",
                           "\xCC\xA3\xCC\x81",
                           "\xE2\x80\x8D",
                           "\xFF",
                           "<",
                           "<|im_start",
                           "<|im_start|>",
                           "[L]",
                           "[LR]",
                           "[W]",
                           " [R]",
                           "  [LR]",
                           "Zebra",
                           "\n\n\n",
                           "\xEF\xB7\xBA",
                           "<|im_"}) {
    texts.push_back(repeated(unit));
  }
  texts.push_back(repeated(" ") + "x");
  texts.push_back("[R]" + repeated(" ") + "[L]");
  texts.push_back(repeated("a") + "<|im_end|>");
  std::string noise;
  uint64_t state = 1;
  while (noise.size() < kBytes) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    noise += static_cast<char>('a' + (state >> 33) % 26);
  }
  texts.push_back(noise);
  return texts;
}

class Hostile : public testing::TestWithParam<const char*> {};

TEST_P(Hostile, EveryTextTakesNearLinearTime) {
  const Tokenizer tokenizer = fixture_tokenizer(GetParam());
  for (const std::string& text : hostile_texts()) {
    const double start = cpu_seconds();
    EXPECT_TRUE(tokenizer.encode(text).ok());
    EXPECT_LT(cpu_seconds() - start, kSeconds) << base::printable(text, 40);
    // Matches that are found and then left as text are another path; so is decoding.
    if (text.find('<') == text.npos && text.find('[') == text.npos) continue;
    const auto ids = tokenizer.encode(text, {.parse_special = false});
    ASSERT_TRUE(ids.ok());
    EXPECT_TRUE(tokenizer.decode(*ids).ok());
    EXPECT_LT(cpu_seconds() - start, 2 * kSeconds) << base::printable(text, 40);
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Hostile, testing::Values("smol", "llama3", "plain", "added"),
                         [](const auto& p) { return std::string(p.param); });

Tokenizer with_pattern(const std::string& pattern) {
  base::Json json = parse_json(fixture("llama3.json"));
  base::Json split = parse_json(R"({"type":"Split","behavior":"Isolated","invert":false})");
  split.set("pattern", base::Json::object({{"Regex", base::Json(pattern)}}));
  base::Json steps = parse_json(R"({"type":"Sequence"})");
  steps.set("pretokenizers",
            base::Json::array({split, parse_json(R"({"type":"ByteLevel","use_regex":false})")}));
  json.set("pre_tokenizer", steps);
  return parse_or_die(json.dump());
}

TEST(HostilePattern, ReachingALimitIsAnError) {
  for (const char* pattern : {"(a+)+$", "(a|a)+$", "(a|aa)+$", "(.*)*x"}) {
    const Tokenizer tokenizer = with_pattern(pattern);
    EXPECT_TRUE(tokenizer.encode("aaa").ok());
    const double start = cpu_seconds();
    const auto ids = tokenizer.encode(std::string(5000, 'a') + "!");
    EXPECT_LT(cpu_seconds() - start, kSeconds) << pattern;
    ASSERT_FALSE(ids.ok()) << pattern;
    EXPECT_EQ(ids.error().code, base::Code::kBadInput);
    EXPECT_THAT(ids.error().message(), testing::HasSubstr("limit"));
  }
}

TEST(HostilePattern, AQuadraticSearchEnds) {
  // Each of the places to start at reads to the end and finds nothing.
  const Tokenizer tokenizer = with_pattern("a+b");
  const double start = cpu_seconds();
  const auto ids = tokenizer.encode(repeated("a").substr(0, kBytes / 2));
  EXPECT_LT(cpu_seconds() - start, kSeconds);
  if (!ids.ok()) {
    EXPECT_THAT(ids.error().message(), testing::HasSubstr("too long"));
  }
}

// More merges than any model has: refused before they take memory of their own.
TEST(HostileFile, TenMillionMergesAreRefused) {
  std::string file = R"({"added_tokens":[],"decoder":{"type":"Fuse"},"model":{"type":"BPE",)"
                     R"("vocab":{"a":0,"b":1,"ab":2},"merges":["a b")";
  const std::string merge = R"(,"a b")";
  file.reserve(file.size() + merge.size() * 10'000'000 + 8);
  for (int i = 0; i < 10'000'000; ++i) file += merge;
  file += "]}}";
  const double start = cpu_seconds();
  const auto tokenizer = Tokenizer::parse(file);
  EXPECT_LT(cpu_seconds() - start, kSeconds);
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_EQ(tokenizer.error().code, base::Code::kBadInput);
  EXPECT_THAT(tokenizer.error().message(), testing::HasSubstr("limit"));
}

// A token that merges spell must not become one that steers the model.
TEST(HostileFile, MergesNeverSpellASpecialToken) {
  const Tokenizer tokenizer = parse_or_die(
      R"({"added_tokens":[{"id":6,"content":"<s>","special":true},
                          {"id":3,"content":"|","special":true}],
          "decoder":{"type":"Fuse"},
          "model":{"type":"BPE","vocab":{"<":0,"s":1,">":2,"|":3,"<s":4,"s>":5,"<s>":6,"?":7},
                   "unk_token":"?","merges":["< s","s >","<s >"]}})");
  EXPECT_EQ(*tokenizer.encode("<s>|"), (std::vector<int32_t>{6, 3}));
  EXPECT_EQ(*tokenizer.encode("<s>|", {.parse_special = false}), (std::vector<int32_t>{4, 2, 7}));
  const std::vector<size_t> second{4};
  EXPECT_EQ(*tokenizer.encode("<s>|<s>|", {.literal_at = second}),
            (std::vector<int32_t>{6, 3, 4, 2, 3}));
}

// Places in a text that is not UTF-8 move along with what is put in.
TEST(HostileFile, LiteralPlacesInBrokenText) {
  const Tokenizer tokenizer = parse_or_die(
      R"({"added_tokens":[{"id":4,"content":"<s>","special":true}],"decoder":{"type":"Fuse"},
          "model":{"type":"BPE","vocab":{"<":0,"s":1,">":2,"?":3},"unk_token":"?",
                   "merges":[]}})");
  const std::vector<size_t> places{5, 11};
  EXPECT_EQ(*tokenizer.encode("\xFF\xFF<s><s>\xE4\xB8<s>", {.literal_at = places}),
            (std::vector<int32_t>{3, 3, 4, 0, 1, 2, 3, 4}));
  const std::vector<size_t> last{10};
  EXPECT_EQ(*tokenizer.encode("\xFF\xFF<s><s>\xE4\xB8<s>", {.literal_at = last}),
            (std::vector<int32_t>{3, 3, 4, 4, 3, 0, 1, 2}));
}

TEST(HostileFile, ManyAddedTokensThatOverlap) {
  // "a", "aa", "aaa", ... and each with a b behind: the text of a's comes near all of them
  // everywhere, and a search that picks among matches would go over it once for each length.
  base::Json json = parse_json(fixture("smol.json"));
  base::Json list = *json.find("added_tokens");
  const auto size = static_cast<int64_t>(json.find("model")->find("vocab")->size());
  int64_t id = size + 3;  // <image>, <row_1_col_1> and <|im_ come first
  for (size_t length = 2; length <= 1200; length += 2) {
    base::Json token = list.items().back();
    token.set("content", base::Json(std::string(length, 'a') + "b"));
    token.set("id", base::Json(id++));
    list.push_back(token);
  }
  json.set("added_tokens", list);
  const Tokenizer tokenizer = parse_or_die(json.dump());
  const double start = cpu_seconds();
  EXPECT_TRUE(tokenizer.encode(repeated("a")).ok());
  EXPECT_EQ(tokenizer.encode(std::string(1200, 'a') + "b")->size(), 1u);
  EXPECT_LT(cpu_seconds() - start, kSeconds);
}

}  // namespace
}  // namespace ocelli::text
