// PieceModel: a SentencePiece vocabulary, whatever file it came from (tokenizer.model, GGUF
// metadata), and the tokenizer.json that it means.
//
//   OCELLI_ASSIGN(const PieceModel model, parse_sentencepiece(file.bytes()));
//   OCELLI_ASSIGN(const std::string json, tokenizer_json(model));
//   OCELLI_ASSIGN(const auto tokenizer, text::Tokenizer::parse(json));
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace ocelli::formats {

inline constexpr size_t kMaxPieces = size_t{1} << 22;
inline constexpr size_t kMaxPieceBytes = 1024;
inline constexpr size_t kMaxPieceMerges = size_t{1} << 22;
inline constexpr size_t kMaxPieceJsonBytes = size_t{128} << 20;  // as tokenizer.json
inline constexpr size_t kMaxCharsmapBytes = size_t{16} << 20;
inline constexpr size_t kMaxSentencePieceBytes = size_t{128} << 20;  // of a tokenizer.model

// The numbers of sentencepiece.proto, and of tokenizer.ggml.token_type.
enum class PieceType : uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,      // a special token
  kUserDefined = 4,  // found in a text before anything else, but text
  kUnused = 5,
  kByte = 6,  // "<0x0A>": one byte of a character that is no piece
};

struct Piece {
  std::string text;  // UTF-8, a space written as U+2581
  float score = 0;
  PieceType type = PieceType::kNormal;
};

enum class PieceKind : uint8_t { kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4 };

// What stands around the merges. transformers takes this from the tokenizer's class, not from the
// file, and its numbers are the reference:
//   kLlama    LlamaTokenizer: U+2581 before the first text, spaces become U+2581
//   kGemma    GemmaTokenizer: spaces become U+2581; pieces of spaces are respelled
//   kPhi3     U+2581 before every text between special tokens
//   kGeneric  any other class: the charsmap of the file, then spaces become U+2581; the class does
//             not read add_dummy_prefix
enum class PieceStyle { kLlama, kGemma, kPhi3, kGeneric };

// Which pair is merged first. A piece is made from every pair of pieces that spells it.
enum class MergeOrder {
  kById,              // by the id of what comes out, the shortest left part first (tokenizer.model)
  kByIdLongestFirst,  // the same, the longest left part first (gemma in GGUF)
  kByScore,           // the highest score first, then the longest left part (other GGUF)
};

struct PieceModel {
  std::vector<Piece> pieces;  // by id
  PieceKind kind = PieceKind::kBpe;
  PieceStyle style = PieceStyle::kGeneric;
  MergeOrder order = MergeOrder::kById;
  bool byte_fallback = false;  // kGeneric alone asks; the other styles always fall back to bytes
  bool add_dummy_prefix = true;
  bool prefix_every_text = false;        // kLlama: not the first text alone ("legacy" of the class)
  bool remove_extra_whitespaces = true;  // read and, as in transformers, not acted upon
  bool escape_whitespaces = true;
  bool treat_whitespace_as_suffix = false;
  std::string precompiled_charsmap;                         // of the normalizer; empty: none
  int32_t unk_id = 0, bos_id = 1, eos_id = 2, pad_id = -1;  // -1: none
  bool add_bos = false, add_eos = false;                    // around a raw text

  // Strings that are special tokens whatever their type says (bos_token and its like in
  // tokenizer_config.json) and pieces whose flags differ from what their type says.
  std::vector<std::string> extra_special;
  struct Flags {
    int32_t id = 0;  // a piece, or (text not a piece) the next free id
    std::string text;
    bool special = false, single_word = false, lstrip = false, rstrip = false, normalized = false;
  };
  std::vector<Flags> added;
};

// A tokenizer.model. Errors: not a SentencePiece model, cut short, over a limit. `style` is
// kGeneric: nothing in the file says more.
base::Result<PieceModel> parse_sentencepiece(std::span<const std::byte> bytes);

// What tokenizer_config.json says about it: the class (style), added_tokens_decoder, bos_token and
// the like, add_bos_token, add_eos_token, add_prefix_space. Unknown keys are ignored.
base::Status apply_tokenizer_config(const base::Json& config, PieceModel& model);

// The tokenizer.json that transformers makes of it. Takes time linear in the bytes of the pieces
// plus n log n in the merges. Errors: a kind other than BPE, a piece that is empty, too long, not
// UTF-8 or there twice, an id outside the pieces, too many merges, a result above
// kMaxPieceJsonBytes.
base::Result<std::string> tokenizer_json(const PieceModel& model);

}  // namespace ocelli::formats
