#include "text/normalizer.h"

#include <utf8proc.h>

#include <algorithm>

#include "base/base64.h"
#include "base/utf8.h"
#include "text/sequence_depth.h"
#include "text/utf8_reader.h"

namespace ocelli::text {
namespace {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;

constexpr size_t kMaxSteps = 16;
constexpr size_t kMaxContent = 64;         // bytes that a step may put in
constexpr int kLongestDecomposition = 32;  // Unicode's longest is 18 characters (U+FDFA)

// Characters of a text decomposed and in canonical order, a stretch at a time. utf8proc would order
// them too, but in time quadratic in the number of combining marks in a row.
class Stretch {
 public:
  explicit Stretch(utf8proc_option_t options) : options_(options) {}

  Status add(uint32_t code_point) {
    utf8proc_int32_t parts[kLongestDecomposition];
    const utf8proc_ssize_t count = utf8proc_decompose_char(
        static_cast<utf8proc_int32_t>(code_point), parts, kLongestDecomposition, options_, nullptr);
    if (count < 0 || count > kLongestDecomposition)
      return fail(Code::kInternal, "utf8proc does not decompose a character");
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
      const auto combining = static_cast<uint8_t>(utf8proc_get_property(parts[i])->combining_class);
      if (combining == 0) {
        order_marks();
        chars_.push_back(parts[i]);
      } else {
        marks_.emplace_back(combining, parts[i]);
      }
    }
    return {};
  }

  // Appends the stretch, composed if the options say so, and starts another.
  Status finish(std::string& out) {
    order_marks();
    auto count = static_cast<utf8proc_ssize_t>(chars_.size());
    if (options_ & UTF8PROC_COMPOSE) {
      count = utf8proc_normalize_utf32(chars_.data(), count, options_);
      if (count < 0) return fail(Code::kInternal, "utf8proc does not compose a text");
    }
    for (utf8proc_ssize_t i = 0; i < count; ++i)
      base::append_utf8(out, static_cast<uint32_t>(chars_[static_cast<size_t>(i)]));
    chars_.clear();
    return {};
  }

 private:
  void order_marks() {
    std::stable_sort(marks_.begin(), marks_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& mark : marks_) chars_.push_back(mark.second);
    marks_.clear();
  }

  utf8proc_option_t options_;
  std::vector<std::pair<uint8_t, int32_t>> marks_;  // combining class, character
  std::vector<int32_t> chars_;
};

Result<std::string> normalize(std::string_view text, utf8proc_option_t options) {
  const CharClasses& classes = CharClasses::get();
  std::string out;
  out.reserve(text.size() + 16);
  Stretch stretch(options);
  for (size_t at = 0; at < text.size();) {
    const Char c = read_char(text, at);
    if (classes.of(c.code_point) & kInert) {
      OCELLI_TRY(stretch.finish(out));
      out += text.substr(at, c.bytes);
    } else {
      OCELLI_TRY(stretch.add(c.code_point));
    }
    at += c.bytes;
  }
  OCELLI_TRY(stretch.finish(out));
  return out;
}

std::string_view stripped(std::string_view text, bool left, bool right) {
  const CharClasses& classes = CharClasses::get();
  while (left && !text.empty()) {
    const Char c = read_char(text, 0);
    if (!(classes.of(c.code_point) & kStrip)) break;
    text.remove_prefix(c.bytes);
  }
  while (right && !text.empty()) {
    const size_t last = previous_char(text, text.size());
    if (!(classes.of(read_char(text, last).code_point) & kStrip)) break;
    text = text.substr(0, last);
  }
  return text;
}

}  // namespace

Result<Normalizer> Normalizer::parse(const Json& json) {
  Normalizer normalizer;
  OCELLI_TRY(normalizer.parse_into(json, 0));
  return normalizer;
}

Status Normalizer::parse_into(const Json& json, int depth) {
  if (json.is_null()) return {};
  OCELLI_TRY(check_depth(depth));
  OCELLI_ASSIGN(const std::string type, json.get_string("type"));
  if (type == "Sequence") {
    const Json* list = json.find("normalizers");
    if (list == nullptr || !list->is_array())
      return fail(Code::kBadInput, "the list \"normalizers\" is missing");
    for (const Json& item : list->items()) OCELLI_TRY(parse_into(item, depth + 1));
    return {};
  }
  if (steps_.size() == kMaxSteps) {
    return fail(Code::kBadInput, "too many steps (limit " + std::to_string(kMaxSteps) + ")");
  }
  OCELLI_ASSIGN(Step step, parse_step(type, json));
  steps_.push_back(std::move(step));
  return {};
}

Result<Normalizer::Step> Normalizer::parse_step(const std::string& type, const Json& json) {
  Step step;
  if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
    step.compose = type.back() == 'C';
    step.compatible = type.starts_with("NFK");
  } else if (type == "Prepend") {
    step.kind = Kind::kPrepend;
    OCELLI_ASSIGN(step.to, json.get_string("prepend"));
  } else if (type == "Replace") {
    OCELLI_ASSIGN(step, parse_replace(json));
  } else if (type == "Strip") {
    step.kind = Kind::kStrip;
    OCELLI_ASSIGN(step.left, json.get_bool("strip_left", true));
    OCELLI_ASSIGN(step.right, json.get_bool("strip_right", true));
  } else if (type == "Precompiled") {
    step.kind = Kind::kPrecompiled;
    OCELLI_ASSIGN(const std::string base64, json.get_string("precompiled_charsmap"));
    OCELLI_ASSIGN(const auto bytes, base::decode_base64(base64));
    OCELLI_ASSIGN(Charsmap map,
                  Charsmap::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
    step.charsmap = std::make_shared<const Charsmap>(std::move(map));
  } else {
    return fail(Code::kBadInput,
                "a step of type \"" + base::printable(type, 80) +
                    "\" is not supported yet; NFC, NFD, NFKC, NFKD, Prepend, Replace, Strip and "
                    "Precompiled are");
  }
  if (step.to.size() > kMaxContent) {
    return fail(Code::kBadInput, "what a step puts in is too long (" +
                                     std::to_string(step.to.size()) + " bytes, limit " +
                                     std::to_string(kMaxContent) + ")");
  }
  return step;
}

Result<Normalizer::Step> Normalizer::parse_replace(const Json& json) {
  Step step;
  OCELLI_ASSIGN(step.to, json.get_string("content"));
  const Json* pattern = json.find("pattern");
  if (pattern == nullptr || !pattern->is_object() || pattern->size() != 1) {
    return fail(Code::kBadInput,
                "the pattern of a Replace must be {\"Regex\": ...} or {\"String\": ...}");
  }
  if (pattern->find("Regex") != nullptr) {
    step.kind = Kind::kReplaceMatches;
    OCELLI_ASSIGN(const std::string text, pattern->get_string("Regex"));
    OCELLI_ASSIGN(step.pattern, SplitPattern::regex(text));
    return step;
  }
  step.kind = Kind::kReplace;
  OCELLI_ASSIGN(step.from, pattern->get_string("String"));
  if (step.from.empty()) return fail(Code::kBadInput, "the text to replace is empty");
  return step;
}

Result<std::string> Normalizer::apply(std::string_view text) const {
  const size_t limit = kGrowth * (text.size() + 1);
  std::string current(text);
  for (const Step& step : steps_) {
    if (step.kind == Kind::kPrecompiled) {
      OCELLI_ASSIGN(current, step.charsmap->apply(current, limit));
    } else {
      OCELLI_ASSIGN(current, apply(step, current));
    }
    if (current.size() > limit) {
      return fail(Code::kBadInput, "the tokenizer's normalizer makes the text too long (limit " +
                                       std::to_string(limit) + " bytes)");
    }
  }
  return current;
}

Result<std::string> Normalizer::apply(const Step& step, std::string_view text) {
  std::string out;
  switch (step.kind) {
    case Kind::kForm: {
      if (std::all_of(text.begin(), text.end(),
                      [](char c) { return static_cast<uint8_t>(c) < 0x80; })) {
        return std::string(text);  // ASCII is in every normal form
      }
      const int options = UTF8PROC_STABLE | (step.compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                          (step.compatible ? UTF8PROC_COMPAT : 0);
      return normalize(text, static_cast<utf8proc_option_t>(options));
    }
    case Kind::kPrepend:
      return text.empty() ? out : out.append(step.to).append(text);
    case Kind::kReplace:
      out.reserve(text.size() + 16);
      for (size_t at = 0; at < text.size();) {
        const size_t found = text.find(step.from, at);
        out += text.substr(at, found - at);  // all of the rest where nothing is found
        if (found == text.npos) break;
        out += step.to;
        at = found + step.from.size();
      }
      return out;
    case Kind::kReplaceMatches: {
      std::vector<Span> spans;
      OCELLI_TRY(step.pattern.find(text, spans));
      for (const Span& span : spans)
        out += span.match ? step.to : text.substr(span.begin, span.end - span.begin);
      return out;
    }
    case Kind::kStrip:
      return std::string(stripped(text, step.left, step.right));
    case Kind::kPrecompiled:
      break;
  }
  return std::string(text);
}

}  // namespace ocelli::text
