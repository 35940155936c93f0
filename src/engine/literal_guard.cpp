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
  std::sort(g.controls_.begin(), g.controls_.end(), [](const auto& a, const auto& b) {
    return a.size() != b.size() ? a.size() > b.size() : a < b;
  });
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

int LiteralGuard::control_at(std::string_view text, size_t at) const {
  for (const int i : by_first_byte_[static_cast<uint8_t>(text[at])]) {
    if (text.substr(at).starts_with(controls_[size_t(i)])) return i;
  }
  return -1;
}

std::string LiteralGuard::guard(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = base::next_utf8(text, at).bytes;
    out.append(text.substr(at, bytes));
    if (control_at(text, at) >= 0) {
      out += sentinel_;
      used_ = true;
    }
    at += bytes;
  }
  return out;
}

std::string LiteralGuard::unguard(std::string_view text) const {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t next = std::min(text.find(sentinel_, at), text.size());
    out.append(text.substr(at, next - at));
    at = next + sentinel_.size();
  }
  return out;
}

std::vector<LiteralGuard::Piece> LiteralGuard::split(std::string_view guarded) const {
  std::vector<Piece> out;
  size_t begin = 0;
  for (size_t at = 0; at < guarded.size();) {
    const int control = control_at(guarded, at);
    if (control < 0) {
      ++at;
      continue;
    }
    if (at > begin) out.push_back({guarded.substr(begin, at - begin), -1});
    out.push_back({guarded.substr(at, controls_[size_t(control)].size()), control});
    at += controls_[size_t(control)].size();
    begin = at;
  }
  if (begin < guarded.size()) out.push_back({guarded.substr(begin), -1});
  return out;
}

}  // namespace ocelli::engine
