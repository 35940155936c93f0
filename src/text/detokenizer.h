// Turns ids into text one at a time, never showing half a character.
#pragma once

#include <string>

#include "text/tokenizer.h"

namespace ocelli::text {

// What push() and finish() give, put together, is what Tokenizer::decode gives for all ids.
class Detokenizer {
 public:
  // The tokenizer must outlive this.
  explicit Detokenizer(const Tokenizer& tokenizer, bool skip_special = true)
      : tokenizer_(&tokenizer), skip_special_(skip_special) {}

  // The text that is certain now: whole characters, broken bytes as U+FFFD. May be empty.
  // An id without token gives nothing.
  std::string push(int32_t id);

  // What is left at the end: nothing, or one U+FFFD for a character that never became whole. Ready
  // for another sequence afterwards.
  std::string finish();

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  std::string pending_;  // at most 3 bytes: the start of a character
};

}  // namespace ocelli::text
