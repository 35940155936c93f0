#include "engine/literal_guard.h"

#include <algorithm>

#include "base/utf8.h"

namespace ocelli::engine {

namespace {
// Egyptian hieroglyphs: letters without case, which templates print as they are even within a
// Python-like list of tools (noncharacters would become "\ufdd0" there).
constexpr uint32_t kFirstSentinel = 0x13000, kLastSentinel = 0x1342E;
}  // namespace

base::Result<LiteralGuard> LiteralGuard::create(std::vector<std::string> controls,
                                                const std::vector<std::string_view>& texts) {
  LiteralGuard g;
  g.controls_ = std::move(controls);
  std::erase_if(g.controls_, [](const std::string& s) { return s.empty(); });
  for (size_t i = 0; i < g.controls_.size(); ++i) {
    g.by_first_byte_[static_cast<uint8_t>(g.controls_[i][0])].push_back(int(i));
  }
  for (uint32_t c = kFirstSentinel; c <= kLastSentinel; ++c) {
    std::string candidate;
    base::append_utf8(candidate, c);
    const auto has = [&](std::string_view t) {
      return t.find(candidate) != std::string_view::npos;
    };
    if (std::none_of(texts.begin(), texts.end(), has)) {
      g.sentinel_ = std::move(candidate);
      return g;
    }
  }
  return base::fail(base::Code::kBadInput,
                    "the text uses every hieroglyph from U+13000 to U+1342E; remove one");
}

bool LiteralGuard::control_at(std::string_view text, size_t at) const {
  const auto& candidates = by_first_byte_[static_cast<uint8_t>(text[at])];
  return std::any_of(candidates.begin(), candidates.end(),
                     [&](int i) { return text.substr(at).starts_with(controls_[size_t(i)]); });
}

std::string LiteralGuard::guard(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = base::next_utf8(text, at).bytes;
    out.append(text.substr(at, bytes));
    if (control_at(text, at)) {
      out += sentinel_;
      used_ = true;
    }
    at += bytes;
  }
  return out;
}

std::string LiteralGuard::unguard(std::string_view text, std::vector<size_t>* literal_at) const {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t next = std::min(text.find(sentinel_, at), text.size());
    out.append(text.substr(at, next - at));
    at = next + sentinel_.size();
    if (next == text.size() || literal_at == nullptr || out.empty()) continue;
    // The sentinel stands behind the first character.
    size_t start = out.size() - 1;
    while (start > 0 && (static_cast<uint8_t>(out[start]) & 0xC0) == 0x80) --start;
    if (literal_at->empty() || literal_at->back() < start) literal_at->push_back(start);
  }
  return out;
}

void LiteralGuard::move_places(std::string_view text, std::vector<size_t>& places) const {
  size_t removed = 0, next = text.find(sentinel_);
  for (size_t& place : places) {
    for (; next < place; next = text.find(sentinel_, next + sentinel_.size()))
      removed += sentinel_.size();
    place -= removed;
  }
}

}  // namespace ocelli::engine
