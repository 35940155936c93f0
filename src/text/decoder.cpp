#include "text/decoder.h"

#include <utility>

#include "base/utf8.h"
#include "text/sequence_depth.h"

namespace ocelli::text {
namespace {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;

constexpr size_t kMaxSteps = 16;
constexpr size_t kMaxStrip = 64;
constexpr size_t kMaxContent = 64;                     // bytes that a step may put in
constexpr std::string_view kUnknown = "\xEF\xBF\xBD";  // U+FFFD

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t found = text.find(from, at);
    out += text.substr(at, found - at);
    if (found == text.npos) break;
    out += to;
    at = found + from.size();
  }
  return out;
}

std::string_view stripped(std::string_view text, std::string_view what, size_t start, size_t stop) {
  for (; start > 0 && text.starts_with(what); --start) text.remove_prefix(what.size());
  for (; stop > 0 && text.ends_with(what); --stop) text.remove_suffix(what.size());
  return text;
}

}  // namespace

Result<Decoder> Decoder::parse(const Json& json) {
  Decoder decoder;
  if (json.is_null()) {
    return fail(Code::kBadInput, "a tokenizer without decoder is not supported yet");
  }
  OCELLI_TRY(decoder.parse_into(json, 0));
  return decoder;
}

Status Decoder::parse_into(const Json& json, int depth) {
  OCELLI_TRY(check_depth(depth));
  OCELLI_ASSIGN(const std::string type, json.get_string("type"));
  if (type == "Sequence") {
    const Json* list = json.find("decoders");
    if (list == nullptr || !list->is_array())
      return fail(Code::kBadInput, "the list \"decoders\" is missing");
    for (const Json& item : list->items()) OCELLI_TRY(parse_into(item, depth + 1));
    return {};
  }
  const bool started = !steps_.empty() || byte_fallback_ || fused_;
  if (byte_level_ || (type == "ByteLevel" && started))
    return fail(Code::kBadInput, "a step beside ByteLevel is not supported yet");
  if (steps_.size() >= kMaxSteps) {
    return fail(Code::kBadInput, "too many steps (limit " + std::to_string(kMaxSteps) + ")");
  }
  if (type == "ByteLevel") {
    byte_level_ = true;
  } else if (type == "Fuse") {
    fused_ = true;
  } else if (type == "Strip") {
    return parse_strip(json);
  } else if (byte_fallback_ || fused_) {
    return fail(Code::kBadInput, "a step of type \"" + base::printable(type, 80) +
                                     "\" behind ByteFallback or Fuse is not supported yet");
  } else if (type == "ByteFallback") {
    byte_fallback_ = true;
  } else if (type == "Replace") {
    const Json* pattern = json.find("pattern");
    if (pattern == nullptr || pattern->find("String") == nullptr)
      return fail(Code::kBadInput, "the pattern of a Replace must be {\"String\": ...}");
    Step step;
    OCELLI_ASSIGN(step.from, pattern->get_string("String"));
    OCELLI_ASSIGN(step.to, json.get_string("content"));
    if (step.from.empty() || step.to.size() > kMaxContent)
      return fail(Code::kBadInput, "a Replace has an empty pattern or a content that is too long");
    steps_.push_back(std::move(step));
  } else if (type == "Metaspace") {
    Step step;
    step.kind = Kind::kMetaspace;
    step.to = " ";
    OCELLI_ASSIGN(step.from, json.get_string("replacement"));
    OCELLI_ASSIGN(const std::string scheme, json.get_string("prepend_scheme", "always"));
    OCELLI_ASSIGN(const bool prefix, json.get_bool("add_prefix_space", true));
    if (step.from.empty()) return fail(Code::kBadInput, "the replacement of a Metaspace is empty");
    step.prefix = prefix && scheme != "never";
    first_differs_ = first_differs_ || step.prefix;
    steps_.push_back(std::move(step));
  } else {
    return fail(Code::kBadInput, "a step of type \"" + base::printable(type, 80) +
                                     "\" is not supported yet; ByteLevel, Replace, ByteFallback, "
                                     "Fuse, Strip and Metaspace are");
  }
  return {};
}

Status Decoder::parse_strip(const Json& json) {
  OCELLI_ASSIGN(const std::string content, json.get_string("content"));
  constexpr base::IntRange kRange{.min = 0, .max = static_cast<int64_t>(kMaxStrip)};
  OCELLI_ASSIGN(const int64_t start, json.get_int("start", kRange));
  OCELLI_ASSIGN(const int64_t stop, json.get_int("stop", kRange));
  if (content.empty() || base::next_utf8(content, 0).bytes != content.size())
    return fail(Code::kBadInput, "the content of a Strip must be one character");
  if (!fused_) {
    if (byte_fallback_)
      return fail(Code::kBadInput, "a Strip between ByteFallback and Fuse is not supported yet");
    Step step;
    step.kind = Kind::kStrip;
    step.from = content;
    step.start = static_cast<size_t>(start);
    step.stop = static_cast<size_t>(stop);
    steps_.push_back(std::move(step));
    return {};
  }
  if (stop > 0 || strip_count_ > 0)
    return fail(Code::kBadInput, "a Strip at the end of a text is not supported yet");
  strip_count_ = static_cast<size_t>(start);
  strip_char_ = content;
  return {};
}

Result<std::string> Decoder::text_of(std::string_view token, bool first) const {
  std::string text(token);
  for (const Step& step : steps_) {
    switch (step.kind) {
      case Kind::kReplace:
        text = replaced(text, step.from, step.to);
        break;
      case Kind::kStrip:
        text = std::string(stripped(text, step.from, step.start, step.stop));
        break;
      case Kind::kMetaspace:
        text = replaced(text, step.from, first && step.prefix ? "" : step.to);
        break;
    }
    if (text.size() > kMaxContent * (token.size() + 1))
      return fail(Code::kBadInput, "the decoder makes a token too long");
  }
  return text;
}

std::optional<uint8_t> Decoder::byte_of(std::string_view token) const {
  if (!byte_fallback_ || token.size() != 6 || !token.starts_with("<0x") || token[5] != '>')
    return std::nullopt;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  // Rust's from_str_radix, which decides in the original, takes a sign: "<0x+5>" is byte 5.
  const int high = token[3] == '+' ? 0 : digit(token[3]), low = digit(token[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<uint8_t>(high * 16 + low);
}

void TokenJoiner::emit(std::string_view text, std::string& out) {
  const std::string_view what = decoder_->strip_char();
  while (strip_left_ > 0 && !text.empty()) {
    if (!text.starts_with(what)) {
      strip_left_ = 0;
      break;
    }
    text.remove_prefix(what.size());
    --strip_left_;
  }
  out += text;
}

void TokenJoiner::emit_bytes(std::string& out) {
  if (bytes_.empty()) return;
  const std::string bytes = std::exchange(bytes_, {});
  if (base::is_valid_utf8(bytes)) return emit(bytes, out);
  for (size_t i = 0; i < bytes.size(); ++i) emit(kUnknown, out);
}

void TokenJoiner::push_text(std::string_view text, std::string& out) {
  at_start_ = false;
  emit_bytes(out);
  emit(text, out);
}

void TokenJoiner::finish(std::string& out) {
  emit_bytes(out);
  at_start_ = true;
  strip_left_ = decoder_->strip_count();
}

}  // namespace ocelli::text
