// The "normalizer" of tokenizer.json: what is done to a text before it is cut into words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace ocelli::text {

class Normalizer {
 public:
  // Understands null, NFC, NFD, NFKC, NFKD and a Sequence of these; other kinds are an error.
  static base::Result<Normalizer> parse(const base::Json& json);

  bool is_identity() const { return forms_.empty(); }

  // Takes valid UTF-8, gives valid UTF-8, in O(n log n) time and memory of 12 bytes per character
  // (a character becomes at most 18).
  base::Result<std::string> apply(std::string_view text) const;

 private:
  struct Form {
    bool compose, compatible;
  };
  base::Status parse_into(const base::Json& json, int depth);

  std::vector<Form> forms_;
};

}  // namespace ocelli::text
