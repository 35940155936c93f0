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
  // Understands null, Sequence, Digits, Split, Metaspace and ByteLevel, which must come last: words
  // are bytes then. Other kinds are an error.
  static base::Result<PreTokenizer> parse(const base::Json& json);

  // Whether words are bytes, of which the model's tokens are made; else they are characters.
  bool byte_level() const { return byte_level_; }

  // Whether Metaspace asks of a part that was cut off before if it is the first: it then counts
  // what comes from the first character of the text before normalization.
  bool first_of_parts() const;

  // Gives the words of `text` (valid UTF-8) to `sink`. None is empty. `first`: the text is the
  // start of what the user gave, before which Metaspace may put a space. Error: see
  // SplitPattern::find.
  base::Status run(std::string_view text, bool first, WordSink& sink) const {
    return step(0, {text, first}, sink);
  }

 private:
  enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
  enum class Kind { kDigits, kDigitRuns, kSplit, kSpaceBefore, kMetaspace };
  enum class Prepend { kNever, kFirst, kAlways };
  struct Step {
    Kind kind;
    SplitPattern pattern = SplitPattern::gpt2();
    Behavior behavior = Behavior::kIsolated;
    bool invert = false;
    std::string replacement = {};  // of kMetaspace: what a space becomes, one character
    Prepend prepend = Prepend::kAlways;
    bool cut = true;  // before each replacement
  };
  struct Part {
    std::string_view text;
    bool first;  // starts where the whole text does
    Part cut(size_t begin, size_t end) const {
      return {text.substr(begin, end - begin), first && begin == 0};
    }
  };

  base::Status parse_into(const base::Json& json, int depth);
  base::Status parse_split(const base::Json& json);
  base::Status parse_metaspace(const base::Json& json);
  base::Status step(size_t index, Part part, WordSink& sink) const;
  base::Status digits(size_t index, Part part, WordSink& sink) const;
  base::Status split(size_t index, Part part, WordSink& sink) const;
  base::Status metaspace(size_t index, Part part, WordSink& sink) const;
  static void apply(Behavior behavior, std::vector<Span>& spans);

  std::vector<Step> steps_;
  bool byte_level_ = false;
};

}  // namespace ocelli::text
