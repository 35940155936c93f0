// The "decoder" of tokenizer.json: how tokens become text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace ocelli::text {

// Immutable; const members may be called from many threads.
class Decoder {
 public:
  // Understands ByteLevel alone, or Replace, Strip and Metaspace for each token, then perhaps
  // ByteFallback, then perhaps Fuse, then perhaps one Strip at the start of the text. Other kinds
  // and orders are an error.
  static base::Result<Decoder> parse(const base::Json& json);

  // Tokens are written in the byte alphabet, and their bytes put together are the text. Otherwise
  // tokens are text, but for bytes().
  bool byte_level() const { return byte_level_; }

  // What a token adds to a text. `first`: it is the first token of the text.
  base::Result<std::string> text_of(std::string_view token, bool first) const;
  // Whether that can depend on `first`.
  bool first_differs() const { return first_differs_; }

  // The byte that a token (as text_of() gives it) stands for, "<0x0A>", if such tokens are bytes.
  std::optional<uint8_t> byte_of(std::string_view token) const;

  // Characters to take off the start of the text as long as they are strip_char().
  size_t strip_count() const { return strip_count_; }
  std::string_view strip_char() const { return strip_char_; }

 private:
  enum class Kind { kReplace, kStrip, kMetaspace };
  struct Step {
    Kind kind = Kind::kReplace;
    std::string from, to;  // from: what to replace, strip, or the replacement of Metaspace
    size_t start = 0, stop = 0;
    bool prefix = false;  // of Metaspace: the first token has none
  };
  base::Status parse_into(const base::Json& json, int depth);
  base::Status parse_strip(const base::Json& json);

  bool byte_level_ = false, byte_fallback_ = false, fused_ = false, first_differs_ = false;
  std::vector<Step> steps_;
  size_t strip_count_ = 0;
  std::string strip_char_;
};

// Puts together what tokens add. Bytes are held back until a token that is none: bytes in a row are
// text if all of them are UTF-8, and one U+FFFD each if not, as in Hugging Face tokenizers.
class TokenJoiner {
 public:
  explicit TokenJoiner(const Decoder& decoder)
      : decoder_(&decoder), strip_left_(decoder.strip_count()) {}

  bool at_start() const { return at_start_; }
  void push_byte(char byte) {
    at_start_ = false;
    bytes_ += byte;
  }
  void push_text(std::string_view text, std::string& out);
  void finish(std::string& out);  // ready for another text afterwards

 private:
  void emit(std::string_view text, std::string& out);
  void emit_bytes(std::string& out);

  const Decoder* decoder_;
  std::string bytes_;
  bool at_start_ = true;
  size_t strip_left_;
};

}  // namespace ocelli::text
