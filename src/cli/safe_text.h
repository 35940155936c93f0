// What a model says, made harmless for a terminal.
//
// A model's output is as hostile as the pictures and texts that it read: an escape sequence in it
// could rename the window, write the clipboard or make the terminal type (OSC, DCS, device
// reports), a C1 control does the same in one character, and bidirectional overrides show text in
// another order than it has. All of them are made visible as \x1b or \u202e; line feeds and tabs
// stay, CR LF becomes LF.
#pragma once

#include <string>
#include <string_view>

namespace ocelli::cli {

// For text that arrives in pieces: what one piece begins the next may end.
class SafeText {
 public:
  // The part of everything pushed so far that may be printed.
  std::string push(std::string_view text);
  // What was held back: a lone carriage return, a broken character at the end.
  std::string finish();

 private:
  std::string held_;  // less than one character, or "\r"
};

std::string safe_text(std::string_view text);

}  // namespace ocelli::cli
