#include "text/tokenizer.h"

#include <algorithm>

#include "base/utf8.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer_impl.h"

namespace ocelli::text {
namespace {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

constexpr std::string_view kWhere = "tokenizer.json";

// Words that come back within one text are looked up instead of merged again. A slot holds the last
// word that fell into it, so the cache is bounded; it lives as long as one encode().
class WordCache {
 public:
  static constexpr size_t kSlots = 4096, kMaxWord = 24, kMaxIds = 8;
  static constexpr size_t kWorthwhileText = 2048;

  struct Slot {
    uint8_t bytes = 0, ids = 0;  // bytes 0: free
    char word[kMaxWord];
    int32_t id[kMaxIds];
  };
  Slot* slot(std::string_view word) {
    if (slots_.empty()) slots_.resize(kSlots);
    uint64_t hash = word.size();
    for (const char c : word) hash = (hash ^ static_cast<uint8_t>(c)) * 0x9E3779B97F4A7C15u;
    return &slots_[hash >> 52];
  }

 private:
  std::vector<Slot> slots_;
};

class Encoder final : public WordSink {
 public:
  Encoder(const Tokenizer::Impl& impl, size_t text_bytes, bool parse_special,
          std::vector<int32_t>& out)
      : impl_(impl),
        merger_(impl.merges),
        parse_special_(parse_special),
        caching_(text_bytes >= WordCache::kWorthwhileText),
        out_(out) {}

  void word(std::string_view bytes) override {
    if (!caching_ || bytes.size() > WordCache::kMaxWord) {
      merge(bytes);
      out_.insert(out_.end(), symbols_.begin(), symbols_.end());
      return;
    }
    WordCache::Slot& slot = *cache_.slot(bytes);
    if (std::string_view(slot.word, slot.bytes) != bytes) {
      merge(bytes);
      if (symbols_.size() > WordCache::kMaxIds) {
        out_.insert(out_.end(), symbols_.begin(), symbols_.end());
        return;
      }
      std::copy(bytes.begin(), bytes.end(), slot.word);
      slot.bytes = static_cast<uint8_t>(bytes.size());
      std::copy(symbols_.begin(), symbols_.end(), slot.id);
      slot.ids = static_cast<uint8_t>(symbols_.size());
    }
    out_.insert(out_.end(), slot.id, slot.id + slot.ids);
  }

 private:
  // An added token is found before words are, or not at all: a word that spells one is text. So is
  // one that spells a special token of the model's own, if special tokens are to stay text.
  bool may_be_word(int32_t id) const {
    const size_t i = static_cast<size_t>(id);
    if (i >= impl_.special.size()) return true;
    return !impl_.only_added[i] && (parse_special_ || !impl_.special[i]);
  }

  void merge(std::string_view bytes) {
    symbols_.clear();
    if (impl_.ignore_merges && bytes.size() <= kMaxTokenBytes) {
      letters_.clear();
      append_letters(letters_, bytes);
      if (const auto id = impl_.vocabulary.find(letters_); id && may_be_word(*id)) {
        symbols_.push_back(*id);
        return;
      }
    }
    bool unknown_before = false;
    for (const char c : bytes) {
      const int32_t id = impl_.id_of_byte[static_cast<uint8_t>(c)];
      if (id >= 0) {
        symbols_.push_back(id);
      } else if (impl_.unknown >= 0 && !(impl_.fuse_unknown && unknown_before)) {
        symbols_.push_back(impl_.unknown);
      }
      unknown_before = id < 0;
    }
    merger_.merge(symbols_);
  }

  const Tokenizer::Impl& impl_;
  BpeMerger merger_;
  bool parse_special_;
  bool caching_;
  WordCache cache_;
  std::vector<int32_t> symbols_;
  std::string letters_;
  std::vector<int32_t>& out_;
};

// Text between the tokens that are looked for in raw text: normalize, look for the others, cut.
Status encode_piece(const Tokenizer::Impl& impl, std::string_view text, bool parse_special,
                    Encoder& encoder, std::vector<int32_t>& out) {
  std::string normalized;
  if (!impl.normalizer.is_identity()) {
    OCELLI_ASSIGN(normalized, impl.normalizer.apply(text));
    text = normalized;
  }
  std::vector<TextPiece> pieces;
  impl.added.split(text, true, parse_special, pieces);
  for (const TextPiece& piece : pieces) {
    if (piece.id >= 0) {
      out.push_back(piece.id);
    } else {
      OCELLI_TRY(impl.pre_tokenizer.run(piece.text, encoder));
    }
  }
  return {};
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::parse(std::string_view text, TokenizerOptions options) {
  OCELLI_ASSIGN(const base::Json json,
                base::Json::parse(text, {.max_bytes = options.max_bytes}).in(kWhere));
  OCELLI_ASSIGN(auto impl, parse_tokenizer_json(json).in(kWhere));
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
  std::string repaired;
  if (!base::is_valid_utf8(text)) {
    repaired = base::replace_invalid_utf8(text);
    text = repaired;
  }
  std::vector<int32_t> out;
  if (options.add_special) out = impl_->before;
  Encoder encoder(*impl_, text.size(), options.parse_special, out);
  std::vector<TextPiece> pieces;
  impl_->added.split(text, false, options.parse_special, pieces);
  for (const TextPiece& piece : pieces) {
    if (piece.id >= 0) {
      out.push_back(piece.id);
    } else {
      OCELLI_TRY(encode_piece(*impl_, piece.text, options.parse_special, encoder, out));
    }
  }
  if (options.add_special) out.insert(out.end(), impl_->after.begin(), impl_->after.end());
  return out;
}

Result<std::string> Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string bytes;
  for (const int32_t id : ids) {
    if (id < 0 || id >= id_limit()) {
      return fail(Code::kBadInput, "a token id is out of range (" + std::to_string(id) +
                                       ", limit " + std::to_string(id_limit()) + ")");
    }
    if (!skip_special || !is_special(id)) bytes += bytes_of(id);
  }
  return base::is_valid_utf8(bytes) ? bytes : base::replace_invalid_utf8(bytes);
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
