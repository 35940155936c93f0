// The smallest symbols of a tokenizer whose tokens are characters: the characters of a word, with
// bytes or the unknown token for those that are none.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/bpe.h"
#include "text/vocabulary.h"

namespace ocelli::text {

// Immutable once made; const members may be called from many threads.
class CharSymbols {
 public:
  static constexpr int32_t kNone = -1;

  CharSymbols() = default;
  // Tokens of one character, and with byte_fallback those named <0x00> to <0xFF>. `unknown` takes
  // the place of what is neither; kNone: it disappears.
  CharSymbols(const Vocabulary& vocabulary, bool byte_fallback, int32_t unknown, bool fuse_unknown);

  // Says that tokens are merged: where one ends in `left` and the other begins with `right`.
  // Call finish_merges() after the last.
  void note_merge(std::string_view left, std::string_view right);
  void finish_merges();

  // Appends the symbols of `text`. A character whose token is among `forbidden` (by id; null: none)
  // counts as one without token.
  void append(std::string_view text, const std::vector<bool>* forbidden,
              std::vector<int32_t>& symbols) const;

  // Where the first part of `text` ends that no merge can cross: text.size() if nowhere. Symbols
  // and merges of the parts are those of the whole, so that a text without words is cut into short
  // ones. Requires a text that is not empty.
  size_t part(std::string_view text, const std::vector<bool>* forbidden) const;

 private:
  int32_t find(uint32_t code_point, const std::vector<bool>* forbidden) const;
  bool may_merge(uint32_t left, uint32_t right) const;

  using Page = std::array<int32_t, 256>;
  std::vector<Page> pages_;  // tokens by code point; the first page is empty
  std::vector<uint16_t> page_of_;
  std::array<int32_t, 256> byte_{};  // all kNone without byte_fallback
  int32_t unknown_ = kNone;
  bool fuse_unknown_ = false;
  std::vector<uint64_t> noted_;        // left << 32 | right
  std::array<uint64_t, 256> ascii_{};  // of left and right below 128: bit left * 128 + right
  MergeTable pairs_;
};

}  // namespace ocelli::text
