#include "text/tokenizer.h"

#include <algorithm>

#include "base/advice.h"
#include "base/utf8.h"
#include "text/detokenizer.h"
#include "text/encoder.h"

namespace ocelli::text {
namespace {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

constexpr std::string_view kWhere = "tokenizer.json";

// Text between the tokens that are looked for in raw text. `first`: it starts the whole text.
struct RawPiece {
  std::string_view text;
  bool first = false, parse_special = false;
};

// Normalize, look for the other tokens, cut.
Status encode_piece(const Tokenizer::Impl& impl, RawPiece raw, Encoder& encoder,
                    std::vector<int32_t>& out) {
  std::string normalized;
  std::string_view text = raw.text;
  if (!impl.normalizer.is_identity()) {
    OCELLI_ASSIGN(normalized, impl.normalizer.apply(text));
    text = normalized;
  }
  std::vector<TextPiece> pieces;
  impl.added.split(text, true, raw.parse_special, {}, pieces);
  for (const TextPiece& piece : pieces) {
    if (piece.id >= 0) {
      out.push_back(piece.id);
    } else {
      const bool first = raw.first && piece.text.data() == text.data();
      OCELLI_TRY(impl.pre_tokenizer.run(piece.text, first, encoder));
    }
  }
  return {};
}

// The text with U+FFFD for what is not UTF-8, and `places` in it moved along.
std::string repair(std::string_view text, std::vector<size_t>& places) {
  std::string out;
  size_t done = 0;
  for (size_t& place : places) {
    out += base::replace_invalid_utf8(text.substr(done, place - done));
    done = std::exchange(place, out.size());
  }
  return out += base::replace_invalid_utf8(text.substr(done));
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::parse(std::string_view text, TokenizerOptions options) {
  OCELLI_ASSIGN(const base::Json json,
                with_advice(base::Json::parse(text, {.max_bytes = options.max_bytes}).in(kWhere),
                            base::kFileAdvice));
  OCELLI_ASSIGN(auto impl, with_advice(parse_tokenizer_json(json).in(kWhere), base::kFileAdvice));
  const int32_t limit = impl->vocabulary.id_limit();
  if (options.max_rows > 0 && limit > options.max_rows) {
    return fail(Code::kBadInput,
                "the embedding has " + std::to_string(options.max_rows) +
                    " rows, the tokenizer ids up to " + std::to_string(limit - 1) +
                    "; take the tokenizer of this model",
                kWhere);
  }
  return Tokenizer(std::move(impl));
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  if (text.size() > kMaxTextBytes) {
    return fail(Code::kBadInput, "the text is too long (" + std::to_string(text.size()) +
                                     " bytes, limit " + std::to_string(kMaxTextBytes) + ")");
  }
  std::vector<size_t> literal_at(options.literal_at.begin(), options.literal_at.end());
  std::string repaired;
  if (!base::is_valid_utf8(text)) {
    repaired = repair(text, literal_at);
    text = repaired;
  }
  std::vector<int32_t> out;
  if (options.add_special) out = impl_->before;
  // A word that a person spelled must not become a special token either.
  Encoder encoder(*impl_, text.size(), options.parse_special && literal_at.empty(), out);
  std::vector<TextPiece> pieces;
  impl_->added.split(text, false, options.parse_special, literal_at, pieces);
  for (const TextPiece& piece : pieces) {
    if (piece.id >= 0) {
      out.push_back(piece.id);
      continue;
    }
    // Places in a normalized text are others: no special token is looked for where one is spelled.
    const auto begin = static_cast<size_t>(piece.text.data() - text.data());
    const auto spelled = std::lower_bound(literal_at.begin(), literal_at.end(), begin);
    const bool spells = spelled != literal_at.end() && *spelled < begin + piece.text.size();
    OCELLI_TRY(encode_piece(*impl_, {piece.text, begin == 0, options.parse_special && !spells},
                            encoder, out));
  }
  if (options.add_special) out.insert(out.end(), impl_->after.begin(), impl_->after.end());
  return out;
}

Result<std::string> Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  Detokenizer stream(*this, skip_special);
  std::string text;
  for (const int32_t id : ids) {
    if (id < 0 || id >= id_limit()) {
      return fail(Code::kBadInput, "a token id is out of range (" + std::to_string(id) +
                                       ", limit " + std::to_string(id_limit()) + ")");
    }
    stream.push(id, text);
  }
  stream.finish(text);
  return text;
}

std::optional<int32_t> Tokenizer::id_of(std::string_view token) const {
  return impl_->vocabulary.find(token);
}

std::string_view Tokenizer::token(int32_t id) const {
  return impl_->vocabulary.token(id);
}

std::string_view Tokenizer::bytes_of(int32_t id) const {
  if (!impl_->vocabulary.has(id)) return {};
  const size_t begin = impl_->at[static_cast<size_t>(id)];
  return std::string_view(impl_->bytes)
      .substr(begin, impl_->at[static_cast<size_t>(id) + 1] - begin);
}

bool Tokenizer::is_special(int32_t id) const {
  return id >= 0 && static_cast<size_t>(id) < impl_->special.size() &&
         impl_->special[static_cast<size_t>(id)];
}

size_t Tokenizer::vocab_size() const {
  return impl_->vocabulary.size();
}
int32_t Tokenizer::id_limit() const {
  return impl_->vocabulary.id_limit();
}

}  // namespace ocelli::text
