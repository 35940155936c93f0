// A tokenizer as Hugging Face tokenizers defines it, read from tokenizer.json: text <-> token ids.
//
//   OCELLI_ASSIGN(const Tokenizer tokenizer, Tokenizer::parse(file.text()));
//   OCELLI_ASSIGN(const auto ids, tokenizer.encode("Hello world"));
//   OCELLI_ASSIGN(const std::string text, tokenizer.decode(ids));
//
// BPE over bytes (GPT-2, Llama 3, SmolLM) or over characters (SentencePiece: Llama 2, Gemma); what
// a file asks for beyond that is an error, never another id. "truncation" and "padding" are left to
// the caller.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ocelli::text {

inline constexpr size_t kMaxTokenizerBytes = size_t{128} << 20;
inline constexpr size_t kMaxTextBytes = size_t{256} << 20;

struct TokenizerOptions {
  size_t max_bytes = kMaxTokenizerBytes;  // of tokenizer.json
  int64_t max_rows = 0;  // rows of the model's embedding, which every id must be below; 0: any
};

struct EncodeOptions {
  // Special tokens in the text become their ids (a prompt made by a template). Without this they
  // stay text (what a user typed). Added tokens that are not special are found either way.
  bool parse_special = true;
  // Add what the post-processor adds around a text (<bos>). A chat template writes that itself.
  bool add_special = false;
  // Places (bytes, in order) where a person's text spells a token: those are left as text, whatever
  // else is parsed. Each is the start of a character.
  std::span<const size_t> literal_at = {};
};

// Movable, not copyable. Const members may be called from many threads at once.
class Tokenizer {
 public:
  // Errors (kBadInput, "tokenizer.json: ..."): not valid JSON, over a limit, a kind of step that is
  // not supported, ids or strings that repeat, merges of unknown tokens, ids above max_rows.
  static base::Result<Tokenizer> parse(std::string_view tokenizer_json,
                                       TokenizerOptions options = {});
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Near-linear time in the text, whatever it is. Bytes that are not UTF-8 count as U+FFFD.
  // Errors: more than kMaxTextBytes; an unusual split pattern reached its limits on this text.
  base::Result<std::vector<int32_t>> encode(std::string_view text,
                                            EncodeOptions options = {}) const;

  // Bytes that are not UTF-8 become U+FFFD (one for each broken sequence, or with byte fallback one
  // for each byte of the run). Error: an id outside 0..id_limit()-1. Ids in between that have no
  // token give nothing.
  base::Result<std::string> decode(std::span<const int32_t> ids, bool skip_special = false) const;

  std::optional<int32_t> id_of(std::string_view token) const;  // as written in tokenizer.json
  std::string_view token(int32_t id) const;  // as written there; empty if there is none
  // What it adds to a text behind other tokens; may be part of a character.
  std::string_view bytes_of(int32_t id) const;
  bool is_special(int32_t id) const;
  size_t vocab_size() const;  // tokens, added ones too
  int32_t id_limit() const;   // largest id + 1; a model may have more rows

  struct Impl;  // in tokenizer_impl.h

 private:
  friend class Detokenizer;
  explicit Tokenizer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace ocelli::text
