// AnswerParser: takes an answer apart while it comes: the model's thinking, text for the person,
// and calls of tools.
//
//   AnswerParser parser(answer_format(engine, prompt, arguments));    // answer_format.h
//   for (const AnswerPart& part : parser.push(piece)) ...
//   for (const AnswerPart& part : parser.finish()) ...
//
// However an answer is cut into pieces, the parts put together are the same. What cannot be read (a
// call that is no JSON, a tag that never ends) stays text: a model's answer is never an error. Time
// is linear in the answer, memory at most kMaxCallBytes beyond what is handed out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ocelli::engine {

inline constexpr size_t kMaxCallBytes = size_t{1} << 20;
inline constexpr size_t kMaxCalls = 256;  // further ones stay text

// What may stand in an answer besides text.
struct AnswerFormat {
  bool thinking = false;         // <think>...</think> at the start
  bool starts_thinking = false;  // the prompt ended with <think>, so the answer begins inside it
  bool calls = false;            // <tool_call>{"name": ..., "arguments": {...}}</tool_call>
  bool code = false;             // <code>Python</code>
};

// What the parser looks for. Some tokenizers have these as special tokens, which are no text
// otherwise.
inline constexpr std::string_view kAnswerTags[] = {"<think>",      "</think>", "<tool_call>",
                                                   "</tool_call>", "<code>",   "</code>"};

struct ToolCall {
  std::string name;       // "python" for code
  std::string arguments;  // JSON text of an object; {"code": ...} for code
  bool operator==(const ToolCall&) const = default;
};

struct AnswerPart {
  enum class Kind { kText, kThinking, kCall };
  Kind kind = Kind::kText;
  std::string text{};  // of kText and kThinking
  ToolCall call{};     // of kCall
};

class AnswerParser {
 public:
  explicit AnswerParser(AnswerFormat format);

  // What is certain after this much of the answer. White space around thinking and calls is left
  // out; text in which there are none comes out as it is.
  std::vector<AnswerPart> push(std::string_view text);
  // What was held back in case it became a tag.
  std::vector<AnswerPart> finish();

 private:
  enum class State { kStart, kThinking, kText, kCall, kCode };
  bool step(std::vector<AnswerPart>& out);
  bool start();
  bool think(std::vector<AnswerPart>& out);
  bool read_text(std::vector<AnswerPart>& out);
  bool read_call(std::vector<AnswerPart>& out);
  void emit(AnswerPart::Kind kind, std::string_view text, std::vector<AnswerPart>& out);
  bool add_call(std::string_view body, std::vector<AnswerPart>& out);
  void give_back(size_t bytes, std::vector<AnswerPart>& out);
  void after_tag();
  std::string_view closing() const;

  AnswerFormat format_;
  State state_;
  std::string held_;     // not yet decided
  size_t searched_ = 0;  // of held_, known to hold no closing tag
  std::string spaces_;   // white space that may stand before a tag
  std::string gap_;      // white space that stood before a call, for text that follows it
  bool any_text_ = false, skip_spaces_ = false;
  size_t calls_ = 0;
};

struct ParsedAnswer {
  std::string text, thinking;
  std::vector<ToolCall> calls;
};
// A whole answer.
ParsedAnswer parse_answer(const AnswerFormat& format, std::string_view answer);

}  // namespace ocelli::engine
