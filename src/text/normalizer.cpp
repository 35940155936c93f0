#include "text/normalizer.h"

#include <utf8proc.h>

#include <algorithm>

#include "base/utf8.h"
#include "text/utf8_reader.h"

namespace ocelli::text {
namespace {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;

constexpr int kMaxDepth = 8;
constexpr size_t kMaxForms = 16;
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

}  // namespace

Result<Normalizer> Normalizer::parse(const Json& json) {
  Normalizer normalizer;
  OCELLI_TRY(normalizer.parse_into(json, 0));
  return normalizer;
}

Status Normalizer::parse_into(const Json& json, int depth) {
  if (json.is_null()) return {};
  if (depth > kMaxDepth) return fail(Code::kBadInput, "Sequences are nested too deeply");
  OCELLI_ASSIGN(const std::string type, json.get_string("type"));
  if (type == "Sequence") {
    const Json* list = json.find("normalizers");
    if (list == nullptr || !list->is_array())
      return fail(Code::kBadInput, "the list \"normalizers\" is missing");
    for (const Json& item : list->items()) OCELLI_TRY(parse_into(item, depth + 1));
    return {};
  }
  const bool compatible = type.starts_with("NFK");
  if (type != "NFC" && type != "NFD" && type != "NFKC" && type != "NFKD") {
    return fail(Code::kBadInput, "a normalizer of type \"" + base::printable(type, 80) +
                                     "\" is not supported yet; NFC, NFD, NFKC and NFKD are");
  }
  if (forms_.size() == kMaxForms) return fail(Code::kBadInput, "too many normalizers");
  forms_.push_back({type.back() == 'C', compatible});
  return {};
}

Result<std::string> Normalizer::apply(std::string_view text) const {
  std::string current(text);
  for (const Form& form : forms_) {
    if (std::all_of(current.begin(), current.end(),
                    [](char c) { return static_cast<uint8_t>(c) < 0x80; })) {
      break;  // ASCII is in every normal form
    }
    const int options = UTF8PROC_STABLE | (form.compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                        (form.compatible ? UTF8PROC_COMPAT : 0);
    OCELLI_ASSIGN(current, normalize(current, static_cast<utf8proc_option_t>(options)));
  }
  return current;
}

}  // namespace ocelli::text
