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

constexpr int kMaxDepth = 8;
constexpr size_t kMaxForms = 16;
constexpr size_t kLongestDecomposition = 32;  // Unicode's longest is 18 characters (U+FDFA)

// Characters of `text` decomposed and in canonical order. utf8proc would order them too, but in
// time quadratic in the number of combining marks in a row.
Result<std::vector<int32_t>> decompose(std::string_view text, utf8proc_option_t options) {
  std::vector<std::pair<uint8_t, int32_t>> marks;  // combining class, character
  std::vector<int32_t> out;
  out.reserve(text.size() + 16);
  const auto flush = [&] {
    std::stable_sort(marks.begin(), marks.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& mark : marks) out.push_back(mark.second);
    marks.clear();
  };
  for (size_t at = 0; at < text.size();) {
    const Char c = read_char(text, at);
    at += c.bytes;
    utf8proc_int32_t parts[kLongestDecomposition];
    const utf8proc_ssize_t count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c.code_point), parts,
                                kLongestDecomposition, options, nullptr);
    if (count < 0 || static_cast<size_t>(count) > kLongestDecomposition) {
      return fail(Code::kInternal, "utf8proc does not decompose a character");
    }
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
      const auto combining = static_cast<uint8_t>(utf8proc_get_property(parts[i])->combining_class);
      if (combining == 0) {
        flush();
        out.push_back(parts[i]);
      } else {
        marks.emplace_back(combining, parts[i]);
      }
    }
  }
  flush();
  return out;
}

}  // namespace

Result<Normalizer> Normalizer::parse(const Json& json) {
  Normalizer normalizer;
  OCELLI_TRY(normalizer.parse_into(json, 0));
  return normalizer;
}

base::Status Normalizer::parse_into(const Json& json, int depth) {
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
    // utf8proc decomposes where either flag is set; composing is a second step over the result.
    OCELLI_ASSIGN(std::vector<int32_t> chars,
                  decompose(current, static_cast<utf8proc_option_t>(options)));
    utf8proc_ssize_t count = static_cast<utf8proc_ssize_t>(chars.size());
    if (form.compose) {
      count = utf8proc_normalize_utf32(chars.data(), count, static_cast<utf8proc_option_t>(options));
      if (count < 0) return fail(Code::kInternal, "utf8proc does not compose a text");
    }
    current.clear();
    for (utf8proc_ssize_t i = 0; i < count; ++i)
      base::append_utf8(current, static_cast<uint32_t>(chars[static_cast<size_t>(i)]));
  }
  return current;
}

}  // namespace ocelli::text
