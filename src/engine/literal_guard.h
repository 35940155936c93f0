// LiteralGuard: keeps control tokens typed by a person from becoming control tokens.
//
// Before a template is rendered, a sentinel (a rare character that no text of the request uses) is put inside every occurrence of a control token in text from outside. Templates carry it
// along like any character. After rendering, control tokens without a sentinel are the template's
// own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ocelli::engine {

class LiteralGuard {
 public:
  // `controls`: the strings that steer the model. `texts`: everything that guard() will be given.
  static base::Result<LiteralGuard> create(std::vector<std::string> controls,
                                           const std::vector<std::string_view>& texts);

  // The text with a sentinel after the first character of each control string in it.
  std::string guard(std::string_view text);
  // The text without sentinels.
  std::string unguard(std::string_view text) const;
  // Whether guard() had to do anything.
  bool used() const { return used_; }

  // One part of a guarded text: a control string, or text between them.
  struct Piece {
    std::string_view text;
    int control = -1;  // index into controls(), or -1
  };
  std::vector<Piece> split(std::string_view guarded) const;
  const std::vector<std::string>& controls() const { return controls_; }

 private:
  int control_at(std::string_view text, size_t at) const;  // the longest one, or -1
  std::vector<std::string> controls_;                      // longest first
  std::vector<int> by_first_byte_[256];
  std::string sentinel_;
  bool used_ = false;
};

}  // namespace ocelli::engine
