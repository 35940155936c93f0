// The "pre_tokenizer" of tokenizer.json: cuts a text into the words that BPE works on.
#pragma once

#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/split_pattern.h"

namespace ocelli::text {

// Takes the words of a text, in order. A word is only valid during the call.
class WordSink {
 public:
  virtual ~WordSink() = default;
  virtual void word(std::string_view bytes) = 0;
};

// Immutable; const members may be called from many threads.
class PreTokenizer {
 public:
  // Understands Sequence, Digits, Split and ByteLevel, which must come last: words are bytes.
  // Other kinds are an error.
  static base::Result<PreTokenizer> parse(const base::Json& json);

  // Gives the words of `text` (valid UTF-8) to `sink`. None is empty. Error: see
  // SplitPattern::find.
  base::Status run(std::string_view text, WordSink& sink) const { return step(0, text, sink); }

 private:
  enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
  enum class Kind { kDigits, kDigitRuns, kSplit, kSpaceBefore };
  struct Step {
    Kind kind;
    SplitPattern pattern = SplitPattern::gpt2();
    Behavior behavior = Behavior::kIsolated;
    bool invert = false;
  };

  base::Status parse_into(const base::Json& json, int depth);
  base::Status parse_split(const base::Json& json);
  base::Status step(size_t index, std::string_view text, WordSink& sink) const;
  base::Status digits(size_t index, std::string_view text, WordSink& sink) const;
  base::Status split(size_t index, std::string_view text, WordSink& sink) const;
  static void apply(Behavior behavior, std::vector<Span>& spans);

  std::vector<Step> steps_;
  bool byte_level_ = false;
};

}  // namespace ocelli::text
