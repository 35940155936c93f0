// The "precompiled_charsmap" of SentencePiece: rules that replace strings of up to a few characters
// by others (Unicode NFKC with the changes of nmt_nfkc, say), as a double-array trie.
//
// uint32 bytes of the trie | the trie, uint32 units | replacements, each ended by a zero byte. All
// little-endian. A unit holds (Darts-clone): bits 0-7 the byte that leads to it; bit 31 whether it
// is a value (then bits 0-30 are that, the place of a replacement); bit 8 whether a value hangs
// below it; bits 10-30 where its children are, relative to it by XOR, times 256 if bit 9 is set.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ocelli::text {

inline constexpr size_t kMaxCharsmapBytes = size_t{16} << 20;

// Immutable; const members may be called from many threads.
class Charsmap {
 public:
  // Errors: shorter than it says, no trie, replacements that are not UTF-8.
  static base::Result<Charsmap> parse(std::string_view bytes);

  // Applies the rules as Hugging Face tokenizers does: to whole grapheme clusters of less than six
  // bytes, else to their characters; of the rules that start a string the shortest is taken, and
  // it replaces all of the string. Takes and gives valid UTF-8. Error: the result is longer than
  // max_bytes.
  base::Result<std::string> apply(std::string_view text, size_t max_bytes) const;

 private:
  std::optional<std::string_view> find(std::string_view chunk) const;
  void append(std::string_view cluster, std::string& out) const;

  std::vector<uint32_t> trie_;
  std::string replacements_;
};

}  // namespace ocelli::text
