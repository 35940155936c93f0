// Options of models that call tools and think: what they are given, and how that part of an answer
// is shown.
#pragma once

#include <optional>
#include <string>

#include "cli/safe_text.h"
#include "engine/answer_parser.h"
#include "engine/engine.h"

namespace CLI {
class App;
}

namespace ocelli::cli {

struct ToolFlags {
  std::string tools;  // a file
  bool think = false, no_think = false, hide_thinking = false;

  void add(CLI::App& app);
  void add_thinking(CLI::App& app);  // without --tools
  bool given() const { return !tools.empty() || think || no_think; }
  // Variables for the chat template; reads the file.
  base::Result<base::Json> arguments() const;
};

// Tools that the model's template would leave out are an error; a switch that it does not have is a
// warning.
base::Status check_arguments(const engine::Engine& engine, const base::Json& arguments);

// Writes an answer to standard output while it comes: text as it is, a call of a tool as a line of
// JSON, thinking dimmed where a person reads along and left out where a program does.
class AnswerPrinter {
 public:
  AnswerPrinter(const engine::AnswerFormat& format, bool hide_thinking);

  base::Status push(std::string_view text);
  // Ends the last line.
  base::Status finish();
  // Whether the answer, so far, is nothing but thinking.
  bool only_thought() const { return thought_ && !said_; }

 private:
  base::Status show(const std::vector<engine::AnswerPart>& parts);
  base::Status show_thinking(const std::string& text);
  base::Status show_call(const engine::ToolCall& call);
  base::Status write(std::string_view text);
  base::Status end_kind();

  engine::AnswerParser parser_;
  SafeText safe_;
  bool terminal_, hide_thinking_, dim_;
  bool thought_ = false, said_ = false, dimmed_ = false, ends_line_ = true;
};

}  // namespace ocelli::cli
