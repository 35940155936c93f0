// Added tokens: strings that are one token each and are looked for before anything else is done to
// a text. Special ones (<|im_end|>) steer the model; others (<think>, runs of newlines) are text.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/token_matcher.h"

namespace ocelli::text {

class Normalizer;

inline constexpr size_t kMaxAddedTokens = size_t{1} << 17;
inline constexpr size_t kMaxAddedBytes = size_t{4} << 20;  // of all of them together

// As in tokenizer.json.
struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool special = false;
  bool single_word = false;  // not next to a letter, digit or underscore
  bool lstrip = false;       // takes the white space on its left along
  bool rstrip = false;
  bool normalized = false;  // looked for, in its normalized form, in the normalized text
};

// Part of a text: an added token, or (id -1) text between them.
struct TextPiece {
  std::string_view text;
  int32_t id = -1;
};

// Immutable; const members may be called from many threads.
class AddedTokens {
 public:
  AddedTokens() = default;

  // The contents must be distinct and not empty. Errors: too many, too long together, two of the
  // same content once normalized.
  static base::Result<AddedTokens> make(std::vector<AddedToken> tokens,
                                        const Normalizer& normalizer);

  // Cuts `text` at the tokens that are looked for in raw text, or at those for normalized text.
  // With parse_special false a special token is left as text (but still hides what overlaps it).
  // So is any token that starts at one of the places `literal_at`, which are in order.
  void split(std::string_view text, bool normalized, bool parse_special,
             std::span<const size_t> literal_at, std::vector<TextPiece>& out) const;

  const std::vector<AddedToken>& tokens() const { return tokens_; }

 private:
  struct Group {
    TokenMatcher matcher;           // values are indices into tokens_
    std::vector<uint32_t> lengths;  // of the string looked for, by index into tokens_
  };
  std::vector<AddedToken> tokens_;
  Group raw_, normalized_;
};

}  // namespace ocelli::text
