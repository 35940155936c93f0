// Lines typed at a terminal, edited with libedit in UTF-8: emacs keys, history with the arrow keys
// and Ctrl-R, completion with Tab, Alt-Enter for a line feed inside of an input. A paste is one
// input whatever it holds; a long one is shown as "[pasted 102,400 characters #1]" and handed out
// whole.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/chat_signals.h"

namespace ocelli::cli {

inline constexpr size_t kMaxInputBytes = size_t{1} << 20;

// What one read gives.
struct TypedLine {
  enum class End {
    kLine,         // Enter
    kInterrupted,  // Ctrl-C; `text` is what was typed so far
    kEndOfInput,   // Ctrl-D on an empty line, or the terminal is gone
    kStopped,      // SIGTERM
  };
  End end = End::kLine;
  std::string text;       // without the line feed at the end
  bool too_long = false;  // more than kMaxInputBytes: cut
};

// What Tab may put in place of line[begin, cursor).
struct Completion {
  size_t begin = 0;
  std::vector<std::string> candidates;  // whole words, each of which begins with what is typed
};
using Completer = std::function<Completion(std::string_view line_to_cursor)>;

class LineEditor {
 public:
  // Needs terminals as standard input and output, and `signals` installed.
  static base::Result<std::unique_ptr<LineEditor>> create(const ChatSignals& signals,
                                                          Completer completer);
  ~LineEditor();

  TypedLine read(const std::string& prompt);
  // What the arrow keys bring back.
  void remember(std::string_view input);
  // Bytes that somebody else read from the terminal and that are for the next line.
  void push_back(std::string_view bytes);

 private:
  struct Impl;
  explicit LineEditor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ocelli::cli
