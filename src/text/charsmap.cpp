#include "text/charsmap.h"

#include <utf8proc.h>

#include "base/bounded_reader.h"
#include "base/utf8.h"
#include "text/utf8_reader.h"

namespace ocelli::text {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr size_t kLongCluster = 6;

}  // namespace

Result<Charsmap> Charsmap::parse(std::string_view bytes) {
  if (bytes.size() > kMaxCharsmapBytes) {
    return fail(Code::kBadInput, "the charsmap is too large (" + std::to_string(bytes.size()) +
                                     " bytes, limit " + std::to_string(kMaxCharsmapBytes) + ")");
  }
  Charsmap map;
  base::BoundedReader in(std::as_bytes(std::span(bytes)));
  OCELLI_ASSIGN(const auto size, in.read<uint32_t>("the charsmap's size"));
  OCELLI_ASSIGN(const auto trie, in.read_bytes("the charsmap's trie", size / 4 * 4));
  if (trie.empty()) return fail(Code::kBadInput, "the charsmap has no trie");
  map.trie_.resize(trie.size() / 4);
  std::memcpy(map.trie_.data(), trie.data(), trie.size());
  map.replacements_ = bytes.substr(4 + trie.size());
  if (!base::is_valid_utf8(map.replacements_))
    return fail(Code::kBadInput, "the charsmap's replacements are not UTF-8");
  return map;
}

// A broken trie leads nowhere, or to the middle of a character: then there is no rule.
std::optional<std::string_view> Charsmap::find(std::string_view chunk) const {
  const auto children = [](uint32_t unit) {
    return static_cast<size_t>(unit >> 10) << ((unit & 512) >> 6);
  };
  size_t at = children(trie_[0]);
  for (const char c : chunk) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte == 0) break;
    at ^= byte;
    if (at >= trie_.size()) break;
    const uint32_t unit = trie_[at];
    if ((unit & 0x800000FF) != byte) break;
    at ^= children(unit);
    if ((unit & 256) == 0) continue;
    if (at >= trie_.size()) break;
    const size_t begin = trie_[at] & 0x7FFFFFFF;
    if (begin >= replacements_.size() ||
        (static_cast<uint8_t>(replacements_[begin]) & 0xC0) == 0x80)
      break;
    const size_t end = std::min(replacements_.find('\0', begin), replacements_.size());
    return std::string_view(replacements_).substr(begin, end - begin);
  }
  return std::nullopt;
}

void Charsmap::append(std::string_view cluster, std::string& out) const {
  if (cluster.size() < kLongCluster) {
    if (const auto found = find(cluster)) {
      out += *found;
      return;
    }
  }
  for (size_t at = 0; at < cluster.size();) {
    const std::string_view part = cluster.substr(at, read_char(cluster, at).bytes);
    out += find(part).value_or(part);
    at += part.size();
  }
}

Result<std::string> Charsmap::apply(std::string_view text, size_t max_bytes) const {
  std::string out;
  out.reserve(text.size() + 16);
  utf8proc_int32_t last = 0, state = 0;
  size_t begin = 0;  // of the cluster
  for (size_t at = 0; at < text.size();) {
    const Char c = read_char(text, at);
    const auto next = static_cast<utf8proc_int32_t>(c.code_point);
    if (at > 0 && utf8proc_grapheme_break_stateful(last, next, &state)) {
      append(text.substr(begin, at - begin), out);
      begin = at;
    }
    last = next;
    at += c.bytes;
    if (out.size() > max_bytes) break;
  }
  append(text.substr(begin), out);
  if (out.size() > max_bytes) {
    return fail(Code::kBadInput, "the tokenizer's charsmap makes the text too long (limit " +
                                     std::to_string(max_bytes) + " bytes)");
  }
  return out;
}

}  // namespace ocelli::text
