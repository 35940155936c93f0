// LiteralGuard: keeps control tokens typed by a person from becoming control tokens.
//
// Before a template is rendered, a sentinel (a rare character that no text of the request uses) is
// put inside every occurrence of a control token in text from outside. Templates carry it along
// like any character. After rendering, control tokens with a sentinel are a person's, and the
// places where they start are given to the tokenizer as text (EncodeOptions::literal_at).
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
  // The text without sentinels. `literal_at`, if given, gets the places in it where a person spells
  // a control string, in order.
  std::string unguard(std::string_view text, std::vector<size_t>* literal_at = nullptr) const;
  // Moves places (bytes, ascending) in a text with sentinels to those in the text without.
  void move_places(std::string_view text, std::vector<size_t>& places) const;
  // Whether guard() had to do anything.
  bool used() const { return used_; }

 private:
  bool control_at(std::string_view text, size_t at) const;
  std::vector<std::string> controls_;
  std::vector<int> by_first_byte_[256];
  std::string sentinel_;
  bool used_ = false;
};

}  // namespace ocelli::engine
