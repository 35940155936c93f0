#include "text/char_symbols.h"

#include <algorithm>

#include "base/utf8.h"
#include "text/utf8_reader.h"

namespace ocelli::text {
namespace {

constexpr size_t kPages = 0x110000 / 256;

// 0-255 for "<0x00>" to "<0xFF>" (capital digits), else -1.
int byte_name(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  const size_t high = kDigits.find(token[3]), low = kDigits.find(token[4]);
  if (high == kDigits.npos || low == kDigits.npos) return -1;
  return static_cast<int>(high * 16 + low);
}

}  // namespace

CharSymbols::CharSymbols(const Vocabulary& vocabulary, bool byte_fallback, int32_t unknown,
                         bool fuse_unknown)
    : pages_(1), page_of_(kPages), unknown_(unknown), fuse_unknown_(fuse_unknown) {
  pages_[0].fill(kNone);
  byte_.fill(kNone);
  for (int32_t id = 0; id < vocabulary.id_limit(); ++id) {
    const std::string_view token = vocabulary.token(id);
    if (token.empty()) continue;
    if (const int byte = byte_fallback ? byte_name(token) : -1; byte >= 0)
      byte_[static_cast<size_t>(byte)] = id;
    const base::Utf8Char c = base::next_utf8(token, 0);
    if (!c.valid || c.bytes != token.size()) continue;
    uint16_t& page = page_of_[c.code_point >> 8];
    if (page == 0) {
      page = static_cast<uint16_t>(pages_.size());
      pages_.push_back(pages_[0]);
    }
    pages_[page][c.code_point & 255] = id;
  }
}

void CharSymbols::note_merge(std::string_view left, std::string_view right) {
  if (left.empty() || right.empty()) return;
  const uint64_t last = base::next_utf8(left, previous_char(left, left.size())).code_point;
  noted_.push_back(last << 32 | base::next_utf8(right, 0).code_point);
}

void CharSymbols::finish_merges() {
  std::sort(noted_.begin(), noted_.end());
  noted_.erase(std::unique(noted_.begin(), noted_.end()), noted_.end());
  pairs_ = MergeTable(noted_.size());
  for (const uint64_t pair : noted_) {
    const auto left = static_cast<uint32_t>(pair >> 32), right = static_cast<uint32_t>(pair);
    if (left < 128 && right < 128) {
      ascii_[left * 2 + right / 64] |= uint64_t{1} << right % 64;
    } else {
      pairs_.set(static_cast<int32_t>(left), static_cast<int32_t>(right), {0, 0});
    }
  }
  noted_ = {};
}

int32_t CharSymbols::find(uint32_t code_point, const std::vector<bool>* forbidden) const {
  const int32_t id = pages_[page_of_[code_point >> 8]][code_point & 255];
  const bool hidden = id >= 0 && forbidden != nullptr &&
                      static_cast<size_t>(id) < forbidden->size() &&
                      (*forbidden)[static_cast<size_t>(id)];
  return hidden ? kNone : id;
}

bool CharSymbols::may_merge(uint32_t left, uint32_t right) const {
  if (left < 128 && right < 128) return (ascii_[left * 2 + right / 64] >> right % 64 & 1) != 0;
  return pairs_.find(static_cast<int32_t>(left), static_cast<int32_t>(right)) != nullptr;
}

// As Hugging Face tokenizers: an unknown symbol that is not yet closed comes behind bytes.
void CharSymbols::append(std::string_view text, const std::vector<bool>* forbidden,
                         std::vector<int32_t>& symbols) const {
  bool unknown = false;
  for (size_t at = 0; at < text.size();) {
    const Char c = read_char(text, at);
    const std::string_view bytes = text.substr(at, c.bytes);
    at += c.bytes;
    if (const int32_t id = find(c.code_point, forbidden); id >= 0) {
      if (unknown) symbols.push_back(unknown_);
      unknown = false;
      symbols.push_back(id);
      continue;
    }
    const auto id_of = [&](char byte) { return byte_[static_cast<uint8_t>(byte)]; };
    if (std::all_of(bytes.begin(), bytes.end(), [&](char byte) { return id_of(byte) >= 0; })) {
      for (const char byte : bytes) symbols.push_back(id_of(byte));
      continue;
    }
    if (unknown_ < 0) continue;
    if (unknown && !fuse_unknown_) symbols.push_back(unknown_);
    unknown = true;
  }
  if (unknown) symbols.push_back(unknown_);
}

// Symbols that are no characters (bytes, unknown) come from characters without token only, and
// beside those nothing is cut. Elsewhere a symbol ends with the character that its token ends with.
size_t CharSymbols::part(std::string_view text, const std::vector<bool>* forbidden) const {
  Char last = read_char(text, 0);
  bool last_known = find(last.code_point, forbidden) >= 0;
  for (size_t at = last.bytes; at < text.size();) {
    const Char c = read_char(text, at);
    const bool known = find(c.code_point, forbidden) >= 0;
    if (known && last_known && !may_merge(last.code_point, c.code_point)) return at;
    last = c;
    last_known = known;
    at += c.bytes;
  }
  return text.size();
}

}  // namespace ocelli::text
