// AnswerParser: what models write, what they should not have written, and every way to cut it.
#include "engine/answer_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <random>

#include "base/json.h"
#include "base/slower.h"

namespace ocelli::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr AnswerFormat kPlain{};
constexpr AnswerFormat kThinks{.thinking = true};
constexpr AnswerFormat kAll{.thinking = true, .calls = true, .code = true};

struct Case {
  const char* name;
  AnswerFormat format;
  std::string answer, thinking, text;
  std::vector<ToolCall> calls;
};

const std::string kCall = R"(<tool_call>
{"name": "get_weather", "arguments": {"city": "Oslo", "days": [1, 2.5, true, null]}}
</tool_call>)";
const ToolCall kWeather{"get_weather", R"({"city":"Oslo","days":[1,2.5,true,null]})"};

std::vector<Case> cases() {
  return {
      {"empty", kAll, "", "", "", {}},
      {"text", kAll, "It rains.\n\nStill.", "", "It rains.\n\nStill.", {}},
      {"spaces", kAll, "  \n", "", "  \n", {}},
      {"spaces around text", kAll, "\n a \n ", "", "\n a \n ", {}},
      {"nothing is known",
       kPlain,
       "<think>a</think>" + kCall + "<code>b</code>",
       "",
       "<think>a</think>" + kCall + "<code>b</code>",
       {}},
      // thinking
      {"thought", kThinks, "<think>\nhm,\nso\n</think>\n\nYes. ", "hm,\nso", "Yes. ", {}},
      {"thought after spaces", kAll, " \n<think>a</think>b", "a", "b", {}},
      {"no thought", kAll, "<think>\n\n</think>\nYes", "", "Yes", {}},
      {"thought without end", kAll, "<think>and so on\n", "and so on", "", {}},
      {"thought that ends in half a tag", kAll, "<think>a </thi", "a </thi", "", {}},
      {"thought about tags",
       kAll,
       "<think>a <b> </b> < </ <tool_call>{}</tool_call> <code></think>c",
       "a <b> </b> < </ <tool_call>{}</tool_call> <code>",
       "c",
       {}},
      {"two thoughts", kAll, "<think>a</think> b <think>c</think>", "a", "b <think>c</think>", {}},
      {"a tag in the text is text",
       kAll,
       "Use <think> and </think>.",
       "",
       "Use <think> and </think>.",
       {}},
      {"half a tag", kAll, "<thi", "", "<thi", {}},
      {"begun in the prompt",
       {.thinking = true, .starts_thinking = true},
       "\nso\n</think>\nYes",
       "so",
       "Yes",
       {}},
      {"begun in the prompt, no end",
       {.thinking = true, .starts_thinking = true},
       "so",
       "so",
       "",
       {}},
      // calls
      {"call", kAll, kCall, "", "", {kWeather}},
      {"call after thought", kAll, "<think>\nlook\n</think>\n" + kCall, "look", "", {kWeather}},
      {"text around", kAll, "Let me look.\n" + kCall + "\n", "", "Let me look.", {kWeather}},
      {"text on both sides",
       kAll,
       "a\n" + kCall + "\n\nb " + kCall + " c\n",
       "",
       "a\nb c\n",
       {kWeather, kWeather}},
      {"several", kAll, kCall + "\n" + kCall + kCall, "", "", {kWeather, kWeather, kWeather}},
      {"no arguments", kAll, R"(<tool_call>{"name":"now"}</tool_call>)", "", "", {{"now", "{}"}}},
      {"null arguments",
       kAll,
       R"(<tool_call>{"name":"now","arguments":null}</tool_call>)",
       "",
       "",
       {{"now", "{}"}}},
      {"arguments as text",
       kAll,
       R"(<tool_call>{"arguments":"{\"a\": \"\u00e9\"}","name":"f"}</tool_call>)",
       "",
       "",
       {{"f", "{\"a\":\"\u00e9\"}"}}},
      {"the end tag is missing",
       kAll,
       R"(x <tool_call> {"name":"f","arguments":{}} )",
       "",
       "x",
       {{"f", "{}"}}},
      {"left and begun again",
       kAll,
       R"(<tool_call>{"name": <tool_call>{"name":"f"}</tool_call>)",
       "",
       R"(<tool_call>{"name":)",
       {{"f", "{}"}}},
      // code
      {"code",
       kAll,
       "Run:\n<code>\n  x = 1\n  print(x)\n</code>",
       "",
       "Run:",
       {{"python", R"-({"code":"  x = 1\n  print(x)"})-"}}},
      {"code on a line",
       kAll,
       "<code>print('<tool_call>')</code>",
       "",
       "",
       {{"python", R"-({"code":"print('<tool_call>')"})-"}}},
      {"code cut off", kAll, "<code>\nx = 1\n", "", "<code>\nx = 1\n", {}},
      {"empty code", kAll, "<code>\n</code>", "", "<code>\n</code>", {}},
      {"code that nobody asked for", {.calls = true}, "<code>x</code>", "", "<code>x</code>", {}},
  };
}

TEST(AnswerParser, TakesAnswersApart) {
  for (const Case& c : cases()) {
    const ParsedAnswer parsed = parse_answer(c.format, c.answer);
    EXPECT_EQ(parsed.thinking, c.thinking) << c.name;
    EXPECT_EQ(parsed.text, c.text) << c.name;
    EXPECT_EQ(parsed.calls, c.calls) << c.name;
  }
}

TEST(AnswerParser, BrokenCallsStayText) {
  for (const char* body :
       {"", "{}", "[]", "null", "call me", "{\"name\": \"f\"", "{\"name\": 3}", "{\"name\": \"\"}",
        "{\"arguments\": {}}", "{\"name\": \"f\", \"arguments\": [1]}",
        "{\"name\": \"f\", \"arguments\": 1}", "{\"name\": \"f\", \"arguments\": \"x\"}",
        "{\"name\": \"f\", \"arguments\": \"[]\"}", "{'name': 'f'}", "{\"name\": \"f\"} {}",
        "{\"name\": \"f\", \"name\": \"g\"}", "{\"name\": \"f\", \"arguments\": {\"x\": NaN}}",
        "[{\"name\": \"f\"}]", "{\"name\": \"\xff\"}"}) {
    const std::string answer = "a <tool_call>" + std::string(body) + "</tool_call> b";
    const ParsedAnswer parsed = parse_answer(kAll, answer);
    EXPECT_EQ(parsed.text, answer);
    EXPECT_THAT(parsed.calls, IsEmpty()) << body;
  }
  const std::string deep = "<tool_call>{\"name\":\"f\",\"arguments\":" + std::string(5000, '[');
  EXPECT_EQ(parse_answer(kAll, deep + "</tool_call>").text, deep + "</tool_call>");
  const std::string name(257, 'n');
  EXPECT_THAT(parse_answer(kAll, "<tool_call>{\"name\":\"" + name + "\"}</tool_call>").calls,
              IsEmpty());
}

ParsedAnswer in_pieces(const AnswerFormat& format, std::string_view answer,
                       const std::vector<size_t>& cuts) {
  AnswerParser parser(format);
  ParsedAnswer all;
  const auto add = [&](const std::vector<AnswerPart>& parts) {
    for (const AnswerPart& part : parts) {
      if (part.kind == AnswerPart::Kind::kText) all.text += part.text;
      if (part.kind == AnswerPart::Kind::kThinking) all.thinking += part.text;
      if (part.kind == AnswerPart::Kind::kCall) all.calls.push_back(part.call);
    }
  };
  size_t at = 0;
  for (const size_t cut : cuts) {
    add(parser.push(answer.substr(at, cut - at)));
    at = cut;
  }
  add(parser.push(answer.substr(at)));
  add(parser.finish());
  return all;
}

TEST(AnswerParser, CutsMakeNoDifference) {
  for (const Case& c : cases()) {
    std::vector<size_t> every;
    for (size_t i = 0; i <= c.answer.size(); ++i) {
      every.push_back(i);
      const ParsedAnswer parsed = in_pieces(c.format, c.answer, {i});
      EXPECT_EQ(parsed.text, c.text) << c.name << " cut at " << i;
      EXPECT_EQ(parsed.thinking, c.thinking) << c.name << " cut at " << i;
      EXPECT_EQ(parsed.calls, c.calls) << c.name << " cut at " << i;
    }
    const ParsedAnswer parsed = in_pieces(c.format, c.answer, every);
    EXPECT_EQ(parsed.text, c.text) << c.name;
    EXPECT_EQ(parsed.thinking, c.thinking) << c.name;
    EXPECT_EQ(parsed.calls, c.calls) << c.name;
  }
}

// Texts of tags, braces and words in any order: no crash, and no difference by cuts.
TEST(AnswerParser, AnyTextAnyCuts) {
  const std::vector<std::string> words{"<think>",
                                       "</think>",
                                       "<tool_call>",
                                       "</tool_call>",
                                       "<code>",
                                       "</code>",
                                       "<",
                                       "</",
                                       ">",
                                       "tool_call>",
                                       "{\"name\":\"f\"}",
                                       "{",
                                       "\n",
                                       "  ",
                                       "word",
                                       "\u00e9",
                                       "\xff",
                                       kCall};
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::string answer;
    for (unsigned n = random() % 14; n > 0; --n) answer += words[random() % words.size()];
    const AnswerFormat format{random() % 2 == 0, random() % 8 == 0, random() % 4 != 0,
                              random() % 2 == 0};
    const ParsedAnswer whole = parse_answer(format, answer);
    std::vector<size_t> cuts;
    for (size_t at = random() % 9; at < answer.size(); at += random() % 9) cuts.push_back(at);
    const ParsedAnswer parts = in_pieces(format, answer, cuts);
    ASSERT_EQ(parts.text, whole.text) << answer;
    ASSERT_EQ(parts.thinking, whole.thinking) << answer;
    ASSERT_EQ(parts.calls, whole.calls) << answer;
  }
}

TEST(AnswerParser, StreamsWhatIsCertain) {
  AnswerParser parser(kAll);
  EXPECT_THAT(parser.push("<thi"), IsEmpty());
  EXPECT_THAT(parser.push("nk>\nhm"), ElementsAre(testing::Field(&AnswerPart::text, "hm")));
  EXPECT_THAT(parser.push(" </t"), IsEmpty());
  EXPECT_THAT(parser.push("his"), ElementsAre(testing::Field(&AnswerPart::text, " </this")));
  EXPECT_THAT(parser.push("</think>\n"), IsEmpty());
  const auto said = parser.push("Let me look <a");
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].text, "Let me look <a");
  EXPECT_EQ(said[0].kind, AnswerPart::Kind::kText);
  EXPECT_THAT(parser.push("\n<tool_call>{\"name\""), IsEmpty());
  EXPECT_THAT(parser.push(":\"f\"}"), IsEmpty());
  const auto called = parser.push("</tool_call>");
  ASSERT_EQ(called.size(), 1u);
  EXPECT_EQ(called[0].call, (ToolCall{"f", "{}"}));
  EXPECT_THAT(parser.finish(), IsEmpty());
  // Ready for another answer.
  EXPECT_EQ(parser.push("<think>b").at(0).kind, AnswerPart::Kind::kThinking);
}

TEST(AnswerParser, IsBounded) {
  // A call that never ends is given back as text while it comes.
  AnswerParser parser(kAll);
  size_t out = 0;
  const std::string piece(1000, 'x');
  EXPECT_THAT(parser.push("<tool_call>"), IsEmpty());
  for (int i = 0; i < 3000; ++i) {
    for (const AnswerPart& part : parser.push(piece)) out += part.text.size();
  }
  EXPECT_GT(out, size_t{1'900'000});
  for (const AnswerPart& part : parser.finish()) out += part.text.size();
  EXPECT_EQ(out, 3'000'000 + std::string("<tool_call>").size());
  // So are calls beyond the most.
  std::string many;
  for (size_t i = 0; i < kMaxCalls + 2; ++i) many += R"(<tool_call>{"name":"f"}</tool_call>)";
  const ParsedAnswer parsed = parse_answer(kAll, many);
  EXPECT_EQ(parsed.calls.size(), kMaxCalls);
  EXPECT_EQ(parsed.text,
            R"(<tool_call>{"name":"f"}</tool_call><tool_call>{"name":"f"}</tool_call>)");
}

// Processor time, so that other programs do not count; a megabyte of each takes some 0.05
// s.
TEST(AnswerParser, TakesLinearTime) {
  for (const char* part : {"<tool_call>", "<tool_call></tool_call>", "<", "<code>", "</code>", " ",
                           "<tool_call>{\"name\":", "</tool_call>", "<code></code>", "\n<"}) {
    for (const AnswerFormat format :
         {kAll, AnswerFormat{.thinking = true, .starts_thinking = true}}) {
      std::string text;
      while (text.size() < 1'000'000) text += part;
      const std::clock_t start = std::clock();
      const ParsedAnswer parsed = parse_answer(format, text);
      EXPECT_LT(double(std::clock() - start) / CLOCKS_PER_SEC, 2 * base::kSlower) << part;
      EXPECT_LE(parsed.text.size() + parsed.thinking.size(), text.size());
    }
  }
}

}  // namespace
}  // namespace ocelli::engine
