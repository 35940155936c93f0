// The parts of a Tokenizer. Included by tokenizer*.cpp alone.
#pragma once

#include <array>

#include "base/json.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/char_symbols.h"
#include "text/decoder.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace ocelli::text {

struct Tokenizer::Impl {
  Vocabulary vocabulary;  // the model's tokens, then the added ones
  MergeTable merges;
  // The merges for text that must not become a special token, where they are others.
  std::optional<MergeTable> text_merges;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  AddedTokens added;
  std::vector<bool> special;           // by id
  std::vector<bool> only_added;        // by id: not among the model's own tokens
  std::vector<int32_t> before, after;  // what the post-processor puts around a text
  // Where words are bytes (pre_tokenizer.byte_level()):
  std::array<int32_t, 256> id_of_byte{};  // -1: the vocabulary lacks this byte
  int32_t unknown = -1;                   // takes the place of such bytes; -1: they disappear
  bool fuse_unknown = false;
  // Where they are characters:
  CharSymbols symbols;
  bool ignore_merges = false;  // a word that is a token is that token
  // What each token adds to a text: bytes [at[id], at[id + 1]).
  std::string bytes;
  std::vector<uint32_t> at;
  std::vector<bool> is_byte;  // by id: stands for one byte, by byte fallback
  Decoder decoder;
};

// tokenizer_json.cpp
base::Result<std::unique_ptr<const Tokenizer::Impl>> parse_tokenizer_json(const base::Json& json);

}  // namespace ocelli::text
