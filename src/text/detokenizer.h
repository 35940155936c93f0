// Turns ids into text one at a time, never showing half a character.
#pragma once

#include <string>
#include <vector>

#include "text/decoder.h"
#include "text/tokenizer.h"

namespace ocelli::text {

// What push() and finish() give, put together, is what Tokenizer::decode gives for all ids.
class Detokenizer {
 public:
  // The tokenizer must outlive this. `keep`: special tokens that are text all the same.
  explicit Detokenizer(const Tokenizer& tokenizer, bool skip_special = true,
                       std::vector<int32_t> keep = {});

  // The text that is certain now: whole characters, broken bytes as U+FFFD. May be empty.
  // An id without token gives nothing. With byte fallback bytes wait for the token behind them.
  std::string push(int32_t id);
  void push(int32_t id, std::string& out);  // the same, appended

  // What is left at the end: nothing, or what held-back bytes are worth. Ready for another sequence
  // afterwards.
  std::string finish();
  void finish(std::string& out);

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  std::vector<int32_t> keep_;
  std::string pending_;  // byte level: at most 3 bytes, the start of a character
  TokenJoiner joiner_;   // else
};

}  // namespace ocelli::text
