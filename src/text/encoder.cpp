#include "text/encoder.h"

#include <algorithm>

#include "text/byte_alphabet.h"

namespace ocelli::text {

void Encoder::word(std::string_view bytes) {
  if (impl_.pre_tokenizer.byte_level() || impl_.ignore_merges) return part(bytes);
  while (!bytes.empty()) {
    const size_t size = impl_.symbols.part(bytes, forbidden());
    part(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
}

void Encoder::part(std::string_view bytes) {
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

// An added token is found before words are, or not at all: a word that spells one is text. So is
// one that spells a special token of the model's own, if special tokens are to stay text.
bool Encoder::may_be_word(int32_t id) const {
  const size_t i = static_cast<size_t>(id);
  if (i >= impl_.special.size()) return true;
  return !impl_.only_added[i] && (parse_special_ || !impl_.special[i]);
}

bool Encoder::is_token(std::string_view bytes) {
  if (!impl_.ignore_merges || bytes.size() > kMaxTokenBytes) return false;
  letters_.clear();
  if (impl_.pre_tokenizer.byte_level()) {
    append_letters(letters_, bytes);
  } else {
    letters_ = bytes;
  }
  const auto id = impl_.vocabulary.find(letters_);
  if (!id || !may_be_word(*id)) return false;
  symbols_.push_back(*id);
  return true;
}

void Encoder::append_bytes(std::string_view bytes) {
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
}

void Encoder::merge(std::string_view bytes) {
  symbols_.clear();
  if (is_token(bytes)) return;
  if (impl_.pre_tokenizer.byte_level()) {
    append_bytes(bytes);
  } else {
    impl_.symbols.append(bytes, forbidden(), symbols_);
  }
  merger_.merge(symbols_);
}

}  // namespace ocelli::text
