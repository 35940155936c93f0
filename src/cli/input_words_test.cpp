#include "cli/input_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

namespace ocelli::cli {
namespace {

using testing::ElementsAre;

std::vector<std::string> texts(std::string_view line) {
  std::vector<std::string> out;
  for (const Word& w : split_words(line)) out.push_back(w.text);
  return out;
}

TEST(Words, QuotesAndEscapes) {
  EXPECT_THAT(texts(""), ElementsAre());
  EXPECT_THAT(texts("  a  b "), ElementsAre("a", "b"));
  EXPECT_THAT(texts("'/a b.jpg' x"), ElementsAre("/a b.jpg", "x"));
  EXPECT_THAT(texts("\"/a \\\"b\\\".jpg\""), ElementsAre("/a \"b\".jpg"));
  EXPECT_THAT(texts("/a\\ b\\'s.jpg what"), ElementsAre("/a b's.jpg", "what"));
  EXPECT_THAT(texts("what's up, isn't it"), ElementsAre("what's", "up,", "isn't", "it"));
  EXPECT_THAT(texts("'tis not closed"), ElementsAre("'tis", "not", "closed"));
  EXPECT_THAT(texts("a\\"), ElementsAre("a\\"));
}

TEST(Words, PlacesInTheLine) {
  const auto words = split_words("say 'a b' c");
  ASSERT_EQ(words.size(), 3u);
  EXPECT_EQ(words[1].begin, 4u);
  EXPECT_EQ(words[1].end, 9u);
  EXPECT_TRUE(words[1].quoted);
  EXPECT_FALSE(words[2].quoted);
}

TEST(Words, EscapedNamesReadBack) {
  for (const char* name : {"a b.jpg", "it's (1) [x] $y `z` \"q\".png", "back\\slash", "plain",
                           "\xc3\xa4 \xf0\x9f\x90\xa2.jpg", "#!*?&;|<>{}"}) {
    EXPECT_THAT(texts(escape_word(name) + " next"), ElementsAre(name, "next"));
  }
}

TEST(Words, ManyOpenQuotesTakeLinearTime) {
  std::string line;
  for (int i = 0; i < 200'000; ++i) line += "'x ";
  EXPECT_EQ(split_words(line).size(), 200'000u);
  line.clear();
  for (int i = 0; i < 200'000; ++i) line += "\"\\\" ";
  EXPECT_GT(split_words(line).size(), 1u);
}

TEST(Words, AddressesOfFiles) {
  EXPECT_EQ(file_of_word("file:///a%20b/%C3%A4.jpg"), "/a b/\xc3\xa4.jpg");
  EXPECT_EQ(file_of_word("file://localhost/a"), "/a");
  EXPECT_EQ(file_of_word("file:///100%"), "/100%");
  EXPECT_EQ(file_of_word("plain%20"), "plain%20");
  for (const char* path : {"/a b/\xc3\xa4.jpg", "/100%/x?y#z", "/\xff\x01"}) {
    const std::string url = file_url(path);
    EXPECT_EQ(file_of_word(url), path);
    for (const char c : url) EXPECT_TRUE(c > ' ' && c < 0x7f);
  }
}

class Dropped : public testing::Test {
 protected:
  DroppedFiles take(std::string_view line) {
    return take_files(line, [&](const std::string& path) { return there_.contains(path); });
  }
  std::set<std::string> there_{"/p/a.jpg",    "/p/my cat.PNG", "./b.webp",
                               "/p/clip.mp4", "/etc/passwd",   "c.jpg"};
};

TEST_F(Dropped, FormsOfTerminals) {
  for (const char* line : {"'/p/my cat.PNG' What is it?", "\"/p/my cat.PNG\" What is it?",
                           "/p/my\\ cat.PNG What is it?", "file:///p/my%20cat.PNG What is it?",
                           "What is it? '/p/my cat.PNG'", "What is it? '/p/my cat.PNG' "}) {
    const DroppedFiles d = take(line);
    EXPECT_THAT(d.files, ElementsAre("/p/my cat.PNG")) << line;
    EXPECT_EQ(d.text, "What is it?") << line;
  }
  const DroppedFiles two = take("Compare /p/a.jpg and ./b.webp please /p/clip.mp4");
  EXPECT_THAT(two.files, ElementsAre("/p/a.jpg", "./b.webp", "/p/clip.mp4"));
  EXPECT_EQ(two.text, "Compare and please");
  EXPECT_EQ(take("/p/a.jpg").text, "");
}

TEST_F(Dropped, TextStaysText) {
  for (const char* line : {"c.jpg is a name", "/p/none.jpg", "read /etc/passwd", "what's  this?",
                           "  spaces  stay ", "a\\b"}) {
    const DroppedFiles d = take(line);
    EXPECT_TRUE(d.files.empty()) << line;
    EXPECT_EQ(d.text, line);
  }
}

}  // namespace
}  // namespace ocelli::cli
