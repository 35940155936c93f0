// Words to ids: what a Tokenizer does between the pre-tokenizer and its result.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer_impl.h"

namespace ocelli::text {

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

// One text's. Appends to `out`.
class Encoder final : public WordSink {
 public:
  // `parse_special`: words may be special tokens of the model's own vocabulary.
  Encoder(const Tokenizer::Impl& impl, size_t text_bytes, bool parse_special,
          std::vector<int32_t>& out)
      : impl_(impl),
        merger_(parse_special || !impl.text_merges ? impl.merges : *impl.text_merges),
        parse_special_(parse_special),
        caching_(text_bytes >= WordCache::kWorthwhileText),
        out_(out) {}

  void word(std::string_view bytes) override;

 private:
  void part(std::string_view bytes);
  bool may_be_word(int32_t id) const;
  void merge(std::string_view bytes);
  bool is_token(std::string_view bytes);
  void append_bytes(std::string_view bytes);
  const std::vector<bool>* forbidden() const { return parse_special_ ? nullptr : &impl_.special; }

  const Tokenizer::Impl& impl_;
  BpeMerger merger_;
  bool parse_special_;
  bool caching_;
  WordCache cache_;
  std::vector<int32_t> symbols_;
  std::string letters_;
  std::vector<int32_t>& out_;
};

}  // namespace ocelli::text
