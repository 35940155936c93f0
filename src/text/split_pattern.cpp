#include "text/split_pattern.h"

#include "text/split_pattern_pcre.h"
#include "text/utf8_reader.h"

namespace ocelli::text {
namespace {

using base::Code;
using base::fail;

struct Known {
  std::string_view text;
  bool gpt2;
  int max_digits;
};

constexpr Known kKnown[] = {
    // GPT-2, SmolLM2, SmolVLM.
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", true, 0},
    // Llama 3, SmolLM3.
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
     R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     false, 3},
    // The same with single digits: Qwen 2.
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
     R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     false, 1},
};

constexpr uint32_t kLongS = 0x17F;  // folds to s

// Length of 's 't 're 've 'm 'll 'd at `at`, or 0. All are in ASCII but for the long s.
size_t contraction(std::string_view text, size_t at, bool ignore_case) {
  if (text[at] != '\'') return 0;
  const auto lower = [&](size_t i) {
    const char c = at + i < text.size() ? text[at + i] : '\0';
    return ignore_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  };
  const char a = lower(1), b = lower(2);
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
  if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return 3;
  if (ignore_case && at + 1 < text.size() && read_char(text, at + 1).code_point == kLongS) return 3;
  return 0;
}

// \s+(?!\S)|\s+ for white space that starts at `at` and ends at `end`: a run leaves its last
// character to the word behind it, unless that is all it has.
size_t white_space(std::string_view text, size_t at, size_t end) {
  if (end == text.size()) return end;
  const size_t last = previous_char(text, end);
  return last > at ? last : end;
}

size_t next_gpt2(std::string_view text, size_t at) {
  if (const size_t n = contraction(text, at, false); n > 0) return at + n;
  const ClassReader reader(text);
  size_t start = at, next = at;
  if (text[at] == ' ' && at + 1 < text.size()) start = at + 1;
  const uint8_t first = reader.at(start, next);
  if (first & kLetter) return reader.skip(next, kLetter);
  if (first & kNumber) return reader.skip(next, kNumber);
  if (!(first & kSpace)) return reader.skip(next, kSpace | kLetter | kNumber, true);
  return white_space(text, at, reader.skip(at, kSpace));
}

// \s*[\r\n]+|\s+(?!\S)|\s+
size_t white_space_lines(std::string_view text, size_t at, const ClassReader& reader) {
  const size_t end = reader.skip(at, kSpace);
  const size_t last = text.substr(at, end - at).find_last_of("\r\n");
  if (last != text.npos) return at + last + 1;
  return white_space(text, at, end);
}

size_t next_llama3(std::string_view text, size_t at, int max_digits) {
  if (const size_t n = contraction(text, at, true); n > 0) return at + n;
  const ClassReader reader(text);
  constexpr uint8_t kNotOther = kSpace | kLetter | kNumber;
  size_t next = at;
  const uint8_t first = reader.at(at, next);
  if (first & kLetter) return reader.skip(next, kLetter);
  if (first & kNumber) {
    for (int i = 1; i < max_digits && next < text.size(); ++i) {
      size_t after = next;
      if (!(reader.at(next, after) & kNumber)) break;
      next = after;
    }
    return next;
  }
  size_t after = next;
  const uint8_t second = next < text.size() ? reader.at(next, after) : uint8_t{kSpace};
  if ((second & kLetter) && text[at] != '\r' && text[at] != '\n') {
    return reader.skip(after, kLetter);
  }
  const bool other = !(first & kSpace), spaced = text[at] == ' ' && !(second & kNotOther);
  if (other || spaced) {
    size_t end = reader.skip(other ? next : after, kNotOther, true);
    while (end < text.size() && (text[end] == '\r' || text[end] == '\n')) ++end;
    return end;
  }
  return white_space_lines(text, at, reader);
}

}  // namespace

SplitPattern SplitPattern::gpt2() {
  return {};
}

base::Result<SplitPattern> SplitPattern::regex(std::string_view pattern) {
  SplitPattern split;
  for (const Known& known : kKnown) {
    if (pattern != known.text) continue;
    split.kind_ = known.gpt2 ? Kind::kGpt2 : Kind::kLlama3;
    split.max_digits_ = known.max_digits;
    return split;
  }
  split.kind_ = Kind::kPcre;
  OCELLI_ASSIGN(split.pcre_, Pcre::compile(pattern));
  return split;
}

base::Result<SplitPattern> SplitPattern::literal(std::string_view text) {
  if (text.empty()) return fail(Code::kBadInput, "the text to split at is empty");
  if (text.size() > kMaxPatternBytes) return fail(Code::kBadInput, "the text to split at is long");
  SplitPattern split;
  split.kind_ = Kind::kLiteral;
  split.literal_ = text;
  return split;
}

size_t SplitPattern::next(std::string_view text, size_t at) const {
  return kind_ == Kind::kGpt2 ? next_gpt2(text, at) : next_llama3(text, at, max_digits_);
}

base::Status SplitPattern::find(std::string_view text, std::vector<Span>& spans) const {
  if (kind_ == Kind::kPcre) return pcre_->find(text, spans);
  size_t at = 0;
  while (at < text.size()) {
    size_t begin = at, end = 0;
    if (kind_ == Kind::kLiteral) {
      begin = text.find(literal_, at);
      if (begin == text.npos) break;
      end = begin + literal_.size();
    } else {
      end = next(text, at);
    }
    if (begin > at) spans.push_back({at, begin, false});
    spans.push_back({begin, end, true});
    at = end;
  }
  if (at < text.size()) spans.push_back({at, text.size(), false});
  return {};
}

}  // namespace ocelli::text
