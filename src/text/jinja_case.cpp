// Letter case as Python's str has it: utf8proc for one character to one, a table for the rest.
#include <utf8proc.h>

#include <algorithm>

#include "base/utf8.h"
#include "text/jinja_case_table.h"
#include "text/jinja_text.h"

namespace ocelli::text::jinja {
namespace {

using base::append_utf8;
using base::next_utf8;

utf8proc_category_t category(uint32_t c) { return utf8proc_category(static_cast<int>(c)); }

const SpecialCase* special_case(uint32_t c) {
  const SpecialCase* end = kSpecialCases + kSpecialCaseCount;
  const SpecialCase* found = std::lower_bound(
      kSpecialCases, end, c, [](const SpecialCase& a, uint32_t b) { return a.code_point < b; });
  return found != end && found->code_point == c ? found : nullptr;
}

void append_all(std::string& out, const uint32_t (&codes)[3]) {
  for (uint32_t code : codes) {
    if (code != 0) append_utf8(out, code);
  }
}

void append_upper(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  } else if (const SpecialCase* special = special_case(c)) {
    append_all(out, special->upper);
  } else {
    append_utf8(out, static_cast<uint32_t>(utf8proc_toupper(static_cast<int>(c))));
  }
}

void append_title(std::string& out, uint32_t c) {
  if (const SpecialCase* special = c < 0x80 ? nullptr : special_case(c)) {
    append_all(out, special->title);
  } else {
    append_utf8(out, static_cast<uint32_t>(utf8proc_totitle(static_cast<int>(c))));
  }
}

// Characters that do not break a word for the final sigma.
bool is_case_ignorable(uint32_t c) {
  static constexpr uint32_t kMarks[] = {0x27,   0x2E,   0x3A,   0xB7,   0x387,  0x55F,
                                        0x5F4,  0x2018, 0x2019, 0x2024, 0x2027, 0xFE13,
                                        0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};
  if (std::find(std::begin(kMarks), std::end(kMarks), c) != std::end(kMarks)) return true;
  const utf8proc_category_t kind = category(c);
  return kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_ME ||
         kind == UTF8PROC_CATEGORY_CF || kind == UTF8PROC_CATEGORY_LM ||
         kind == UTF8PROC_CATEGORY_SK;
}

// Whether the first character of `text` that counts is a letter with case.
bool cased_follows(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const base::Utf8Char c = next_utf8(text, at);
    if (!is_case_ignorable(c.code_point)) return is_cased(c.code_point);
    at += c.bytes;
  }
  return false;
}

constexpr uint32_t kCapitalSigma = 0x3A3;

// `cased_before`: whether the last character before text[at] that counts is a letter with case.
void append_lower(std::string& out, std::string_view text, size_t at, bool cased_before) {
  const base::Utf8Char c = next_utf8(text, at);
  if (c.code_point < 0x80) {
    const char byte = text[at];
    out += static_cast<char>(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
  } else if (c.code_point == kCapitalSigma) {
    const bool final = cased_before && !cased_follows(text.substr(at + c.bytes));
    append_utf8(out, final ? 0x3C2 : 0x3C3);
  } else if (c.code_point == 0x130) {  // capital I with a dot above
    append_utf8(out, 'i');
    append_utf8(out, 0x307);
  } else {
    append_utf8(out, static_cast<uint32_t>(utf8proc_tolower(static_cast<int>(c.code_point))));
  }
}

// Calls each(code point, offset, whether the last character that counts before it has case).
template <class Each>
void for_each_char(std::string_view text, Each each) {
  bool cased = false;
  for (size_t at = 0; at < text.size();) {
    const base::Utf8Char c = next_utf8(text, at);
    each(c.code_point, at, cased);
    if (!is_case_ignorable(c.code_point)) cased = is_cased(c.code_point);
    at += c.bytes;
  }
}

}  // namespace

std::string to_upper(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const base::Utf8Char c = next_utf8(text, at);
    append_upper(out, c.code_point);
    at += c.bytes;
  }
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out;
  for_each_char(text, [&](uint32_t, size_t at, bool cased) { append_lower(out, text, at, cased); });
  return out;
}

std::string to_title(std::string_view text) {
  std::string out;
  bool inside = false;  // after a letter with case
  for_each_char(text, [&](uint32_t c, size_t at, bool cased) {
    if (inside) {
      append_lower(out, text, at, cased);
    } else {
      append_title(out, c);
    }
    inside = is_cased(c);
  });
  return out;
}

std::string to_capitalized(std::string_view text) {
  std::string out;
  for_each_char(text, [&](uint32_t c, size_t at, bool cased) {
    if (at == 0) {
      append_title(out, c);
    } else {
      append_lower(out, text, at, cased);
    }
  });
  return out;
}

std::string to_swapped(std::string_view text) {
  std::string out;
  for_each_char(text, [&](uint32_t c, size_t at, bool cased) {
    if (is_upper(c)) {
      append_lower(out, text, at, cased);
    } else if (is_lower(c)) {
      append_upper(out, c);
    } else {
      append_utf8(out, c);
    }
  });
  return out;
}

std::string to_folded(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const base::Utf8Char c = next_utf8(text, at);
    int32_t folded[8];
    const auto n = utf8proc_decompose_char(static_cast<int>(c.code_point), folded, 8,
                                           UTF8PROC_CASEFOLD, nullptr);
    for (int i = 0; i < n && i < 8; ++i) append_utf8(out, static_cast<uint32_t>(folded[i]));
    at += c.bytes;
  }
  return out;
}

bool is_upper(uint32_t c) {
  return category(c) == UTF8PROC_CATEGORY_LU || (c >= 0x2160 && c <= 0x216F) ||
         (c >= 0x24B6 && c <= 0x24CF);
}
bool is_lower(uint32_t c) {
  return category(c) == UTF8PROC_CATEGORY_LL || c == 0xAA || c == 0xBA ||
         (c >= 0x2B0 && c <= 0x2B8) || (c >= 0x2170 && c <= 0x217F) || (c >= 0x24D0 && c <= 0x24E9);
}
bool is_cased(uint32_t c) {
  return is_upper(c) || is_lower(c) || category(c) == UTF8PROC_CATEGORY_LT;
}
bool is_alpha(uint32_t c) {
  const utf8proc_category_t kind = category(c);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}
bool is_decimal(uint32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }
bool is_numeric(uint32_t c) {
  const utf8proc_category_t kind = category(c);
  return kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL ||
         kind == UTF8PROC_CATEGORY_NO;
}
bool is_printable(uint32_t c) {
  if (c < 0x80) return c >= 0x20 && c < 0x7F;
  const utf8proc_category_t kind = category(c);
  return kind != UTF8PROC_CATEGORY_CN && kind < UTF8PROC_CATEGORY_ZS;
}

}  // namespace ocelli::text::jinja
