// The parts of a tokenizer one by one, on cases small enough to work out by hand.
#include <random>
#include <set>

#include "text/bpe.h"
#include "text/byte_alphabet.h"
#include "text/detokenizer.h"
#include "text/normalizer.h"
#include "text/split_pattern.h"
#include "text/token_matcher.h"
#include "text/tokenizer_test_support.h"
#include "text/unicode_classes.h"
#include "text/vocabulary.h"

namespace ocelli::text {
namespace {

std::vector<std::string> words(const SplitPattern& pattern, std::string_view text) {
  std::vector<Span> spans;
  EXPECT_TRUE(pattern.find(text, spans).ok());
  std::vector<std::string> out;
  for (const Span& span : spans) out.emplace_back(text.substr(span.begin, span.end - span.begin));
  return out;
}

using Words = std::vector<std::string>;

TEST(SplitPattern, Gpt2) {
  const SplitPattern p = SplitPattern::gpt2();
  EXPECT_EQ(words(p, "It's 12 o'clock"), (Words{"It", "'s", " 12", " o", "'", "clock"}));
  EXPECT_EQ(words(p, "a  b \n c  "), (Words{"a", " ", " b", " \n", " c", "  "}));
  EXPECT_EQ(words(p, "I'LL !?x"), (Words{"I", "'", "LL", " !?", "x"}));
  EXPECT_EQ(words(p, "\t x"), (Words{"\t", " x"}));
}

TEST(SplitPattern, Llama3) {
  const auto p =
      SplitPattern::regex(R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
                          R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)");
  ASSERT_TRUE(p.ok());
  ASSERT_TRUE(p->is_known());
  EXPECT_EQ(words(*p, "I'LL !?x"), (Words{"I", "'LL", " !?", "x"}));
  EXPECT_EQ(words(*p, "(abc 12345"), (Words{"(abc", " ", "123", "45"}));
  EXPECT_EQ(words(*p, "a  \n \n  b"), (Words{"a", "  \n \n", " ", " b"}));
  EXPECT_EQ(words(*p, "x;\r\n\r\ny"), (Words{"x", ";\r\n\r\n", "y"}));
  EXPECT_EQ(words(*p, "\xE2\x80\x83\t1"), (Words{"\xE2\x80\x83", "\t", "1"}));
}

// The hand-written patterns against PCRE2, on characters whose class no Unicode version disputes.
// A redundant group keeps the text of the pattern from being recognised.
TEST(SplitPattern, KnownPatternsAreWhatTheyStandFor) {
  const std::string llama3 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
                             R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  const std::string qwen2 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
                            R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  const std::string gpt2 =
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
  const char* const units[] = {
      " ",        " ",        "\n",       "\r",           "\t", "'", "s",
      "S",        "t",        "re",       "LL",           "vE", "m", "1",
      "23",       "x",        "\xC3\xA9", "\xE4\xB8\x80", "!",  "-", "\xF0\x9F\x98\x80",
      "\xC2\xA0", "\xC2\xBD", "\xC5\xBF", "\xCC\x81"};
  std::mt19937 random(5);
  for (const std::string& text : {llama3, qwen2, gpt2}) {
    const auto known = SplitPattern::regex(text), pcre = SplitPattern::regex("(?:" + text + ")");
    ASSERT_TRUE(known.ok() && pcre.ok());
    ASSERT_TRUE(known->is_known());
    ASSERT_FALSE(pcre->is_known());
    for (int i = 0; i < 4000; ++i) {
      std::string sample;
      for (size_t k = random() % 12; k-- > 0;) sample += units[random() % std::size(units)];
      ASSERT_EQ(words(*known, sample), words(*pcre, sample)) << base::printable(sample);
    }
  }
}

TEST(BpeMerger, LongWordsMergeAsShortOnes) {
  // Symbols 0-3 with random merges; the definition: the lowest rank, leftmost, until none is left.
  std::mt19937 random(9);
  for (int round = 0; round < 60; ++round) {
    MergeTable table(40);
    std::set<std::pair<int32_t, int32_t>> seen;
    std::vector<std::pair<std::pair<int32_t, int32_t>, int32_t>> merges;
    for (int32_t id = 4; id < 44; ++id) {
      const std::pair<int32_t, int32_t> pair(random() % unsigned(id), random() % unsigned(id));
      if (!seen.insert(pair).second) continue;
      table.set(pair.first, pair.second, {static_cast<uint32_t>(merges.size()), id});
      merges.push_back({pair, id});
    }
    std::vector<int32_t> symbols(20 + random() % 200);
    for (int32_t& s : symbols) s = static_cast<int32_t>(random() % 4);
    std::vector<int32_t> want = symbols;
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t m = 0; m < merges.size() && !changed; ++m) {
        for (size_t i = 0; i + 1 < want.size() && !changed; ++i) {
          if (std::pair(want[i], want[i + 1]) != merges[m].first) continue;
          want[i] = merges[m].second;
          want.erase(want.begin() + static_cast<ptrdiff_t>(i) + 1);
          changed = true;
        }
      }
    }
    BpeMerger merger(table);
    merger.merge(symbols);
    ASSERT_EQ(symbols, want) << round;
  }
}

TEST(TokenMatcher, FindsTheLongestAtEveryPlace) {
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    std::set<std::string> distinct;
    for (int i = 0; i < 12; ++i) {
      std::string s;
      for (size_t k = 1 + random() % 5; k-- > 0;) s += static_cast<char>('a' + random() % 3);
      distinct.insert(s);
    }
    const std::vector<std::string> strings(distinct.begin(), distinct.end());
    std::vector<int32_t> values;
    for (size_t i = 0; i < strings.size(); ++i) values.push_back(static_cast<int32_t>(i));
    const TokenMatcher matcher({strings.begin(), strings.end()}, values);
    std::string text;
    for (int i = 0; i < 60; ++i) text += static_cast<char>('a' + random() % 4);
    std::vector<TokenMatcher::Hit> hits;
    matcher.find_backwards(text, hits);
    size_t next = hits.size();
    for (size_t at = 0; at < text.size(); ++at) {
      const std::string* longest = nullptr;
      for (const std::string& s : strings) {
        if (text.compare(at, s.size(), s) == 0 && (!longest || s.size() > longest->size()))
          longest = &s;
      }
      if (longest == nullptr) continue;
      ASSERT_GT(next, 0u);
      --next;
      ASSERT_EQ(hits[next].begin, at);
      ASSERT_EQ(strings[static_cast<size_t>(hits[next].value)], *longest);
    }
    ASSERT_EQ(next, 0u);
  }
}

TEST(Vocabulary, FindsWhatItHoldsAndRefusesRepeats) {
  Vocabulary v;
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(v.add("t" + std::to_string(i), 2 * i).ok());
  for (int i = 0; i < 5000; ++i) {
    EXPECT_EQ(v.find("t" + std::to_string(i)), 2 * i);
    EXPECT_EQ(v.token(2 * i), "t" + std::to_string(i));
    EXPECT_FALSE(v.has(2 * i + 1));
  }
  EXPECT_FALSE(v.find("t5000").has_value());
  EXPECT_FALSE(v.add("t7", 1).ok());
  EXPECT_FALSE(v.add("new", 2).ok());
  EXPECT_FALSE(v.add("new", -1).ok());
  EXPECT_FALSE(v.add("new", kMaxTokens).ok());
  EXPECT_FALSE(v.add(std::string(kMaxTokenBytes + 1, 'x'), 1).ok());
  EXPECT_EQ(v.size(), 5000u);
  EXPECT_EQ(v.id_limit(), 9999);
}

TEST(ByteAlphabet, GoesBothWays) {
  std::string all, letters;
  for (int b = 0; b < 256; ++b) all += static_cast<char>(b);
  append_letters(letters, all);
  EXPECT_EQ(bytes_of_letters(letters), all);
  EXPECT_EQ(letter_of_byte(' '), 0x120u);
  EXPECT_EQ(letter_of_byte('\n'), 0x10Au);
  EXPECT_EQ(byte_of_letter(0x144), -1);
  EXPECT_FALSE(bytes_of_letters("a b").has_value());
}

TEST(CharClasses, KnowSomeCharacters) {
  const CharClasses& c = CharClasses::get();
  EXPECT_EQ(c.of('a'), kLetter | kWord);
  EXPECT_EQ(c.of('7'), kNumber | kNumeric | kWord);
  EXPECT_EQ(c.of(' '), kSpace | kStrip);
  EXPECT_EQ(c.of('!'), 0);
  EXPECT_EQ(c.of(0x4E00), kLetter | kWord);
  EXPECT_EQ(c.of(0x180E) & kSpace, 0);
  EXPECT_TRUE(c.of(0x3000) & kSpace);
  EXPECT_EQ(c.of(0x301), kWord);
  EXPECT_EQ(c.of(0x10FFFF) & ~kInert, 0);
  EXPECT_EQ(c.of(0x110000), 0);
}

TEST(Normalizer, OrdersAndComposes) {
  const auto form = [](const char* type, const char* text) {
    auto n = Normalizer::parse(base::Json::object({{"type", base::Json(type)}}));
    EXPECT_TRUE(n.ok());
    return *n->apply(text);
  };
  EXPECT_EQ(form("NFC", "e\xCC\x81"), "\xC3\xA9");
  EXPECT_EQ(form("NFD", "\xC3\xA9"), "e\xCC\x81");
  EXPECT_EQ(form("NFD", "a\xCC\x81\xCC\xA3"), "a\xCC\xA3\xCC\x81");  // below before above
  EXPECT_EQ(form("NFKC", "\xEF\xAC\x81"), "fi");
  EXPECT_EQ(form("NFC", "\xEF\xAC\x81"), "\xEF\xAC\x81");
  EXPECT_EQ(form("NFC", "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB"), "\xED\x95\x9C");  // Hangul
  EXPECT_EQ(form("NFKC", "plain"), "plain");
}

TEST(Detokenizer, HoldsBackHalfCharacters) {
  const Tokenizer tokenizer = fixture_tokenizer("llama3");
  const auto id = [&](uint8_t byte) {
    const char raw = static_cast<char>(byte);
    std::string letter;
    append_letters(letter, std::string_view(&raw, 1));
    return *tokenizer.id_of(letter);
  };
  Detokenizer stream(tokenizer);
  EXPECT_EQ(stream.push(id('a')), "a");
  EXPECT_EQ(stream.push(id(0xE4)), "");
  EXPECT_EQ(stream.push(id(0xB8)), "");
  EXPECT_EQ(stream.push(*tokenizer.id_of("<|im_end|>")), "");  // skipped
  EXPECT_EQ(stream.push(id(0x80)), "\xE4\xB8\x80");
  EXPECT_EQ(stream.push(id(0xE4)), "");
  EXPECT_EQ(stream.push(id('b')),
            "\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(stream.push(id(0xF0)), "");
  EXPECT_EQ(stream.push(-5), "");
  EXPECT_EQ(stream.finish(), "\xEF\xBF\xBD");
  EXPECT_EQ(stream.finish(), "");
}

}  // namespace
}  // namespace ocelli::text
