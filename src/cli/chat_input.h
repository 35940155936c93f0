// Inputs of a chat: lines from a terminal or from a pipe, several of which may make one input.
//
// A line that ends with a backslash goes on in the next one; a line that begins with """ opens a
// block that ends with """ at the end of a line.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "cli/chat_history.h"
#include "cli/line_editor.h"

namespace ocelli::cli {

// Joins lines. Pure.
class InputAssembler {
 public:
  // True when the input is complete.
  bool push(std::string_view line);
  bool inside() const { return inside_; }
  // The input of the lines so far: without block marks and joining backslashes.
  std::string take();
  // The same as it was typed, for the history.
  const std::string& typed() const { return typed_; }
  size_t size() const { return text_.size(); }

 private:
  std::string text_, typed_;
  bool inside_ = false, block_ = false;
};

struct ChatInput {
  TypedLine::End end = TypedLine::End::kLine;
  std::string text;
  std::string typed;      // for the history
  bool too_long = false;  // beyond kMaxInputBytes: cut, not to be used
};

// Where inputs come from.
class InputSource {
 public:
  virtual ~InputSource() = default;
  virtual ChatInput next() = 0;
  // Takes what was typed into the history. An error of the history file is told once.
  virtual void remember(const std::string&) {}
  virtual void push_back(std::string_view) {}
};

// A terminal. `history` is what earlier chats left.
base::Result<std::unique_ptr<InputSource>> make_terminal_input(const ChatSignals& signals,
                                                               Completer completer,
                                                               ChatHistory history);
// Standard input as it is, without prompts. Ctrl-C ends it like SIGTERM.
std::unique_ptr<InputSource> make_plain_input(const ChatSignals& signals);

}  // namespace ocelli::cli
