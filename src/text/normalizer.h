// The "normalizer" of tokenizer.json: what is done to a text before it is cut into words.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/charsmap.h"
#include "text/split_pattern.h"

namespace ocelli::text {

// Immutable; const members may be called from many threads.
class Normalizer {
 public:
  // Understands null, NFC, NFD, NFKC, NFKD, Prepend, Replace, Strip, Precompiled and a Sequence of
  // these; other kinds are an error.
  static base::Result<Normalizer> parse(const base::Json& json);

  bool is_identity() const { return steps_.empty(); }

  // Takes valid UTF-8, gives valid UTF-8, in O(n log n) time and memory of 12 bytes per character
  // (a normal form makes at most 18 of one). Errors: a step makes more than kGrowth times n bytes;
  // see SplitPattern::find.
  base::Result<std::string> apply(std::string_view text) const;

 private:
  static constexpr size_t kGrowth = 64;

  enum class Kind { kForm, kPrepend, kReplace, kReplaceMatches, kStrip, kPrecompiled };
  struct Step {
    Kind kind = Kind::kForm;
    bool compose = false, compatible = false;  // kForm
    bool left = false, right = false;          // kStrip
    std::string from, to;  // kReplace; kPrepend and kReplaceMatches have no from
    SplitPattern pattern = SplitPattern::gpt2();
    std::shared_ptr<const Charsmap> charsmap;
  };
  base::Status parse_into(const base::Json& json, int depth);
  static base::Result<Step> parse_step(const std::string& type, const base::Json& json);
  static base::Result<Step> parse_replace(const base::Json& json);
  static base::Result<std::string> apply(const Step& step, std::string_view text);

  std::vector<Step> steps_;
};

}  // namespace ocelli::text
