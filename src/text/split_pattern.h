// Patterns that cut a text into words: the "Split" step of tokenizer.json and the GPT-2 pattern
// inside "ByteLevel".
//
// The patterns of the models in use are known by their text and written out by hand, in linear time
// and with the character classes of the library that defines the ids. Others run in PCRE2 within
// limits; constructs that mean something else there than in Oniguruma are refused, because a
// token id that is silently another one is worse than an error.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ocelli::text {

inline constexpr size_t kMaxPatternBytes = 8192;

// A part of the text that matched, or lies between matches. Parts come in order and cover the text;
// a match may be empty.
struct Span {
  size_t begin, end;
  bool match;
};

// Cheap to copy; const members may be called from many threads.
class SplitPattern {
 public:
  // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  static SplitPattern gpt2();
  static base::Result<SplitPattern> regex(std::string_view pattern);
  static base::Result<SplitPattern> literal(std::string_view text);

  // Whether the pattern is written out by hand. Those match everywhere, so that a text consists of
  // matches alone; next() gives the end of the match that starts at `at` < text.size().
  bool is_known() const { return kind_ == Kind::kGpt2 || kind_ == Kind::kLlama3; }
  size_t next(std::string_view text, size_t at) const;

  // Appends the parts of `text`. Error: a limit on steps, memory or time was reached (PCRE2 only).
  base::Status find(std::string_view text, std::vector<Span>& spans) const;

 private:
  enum class Kind { kGpt2, kLlama3, kLiteral, kPcre };
  struct Pcre;

  Kind kind_ = Kind::kGpt2;
  int max_digits_ = 3;  // of kLlama3: digits in a row that make one word
  std::string literal_;
  std::shared_ptr<const Pcre> pcre_;
};

}  // namespace ocelli::text
