#include "text/jinja_lexer.h"

#include <charconv>
#include <cmath>

#include "base/utf8.h"
#include "text/jinja_text.h"

namespace ocelli::text::jinja {
namespace {

struct Operator {
  std::string_view text;
  Tok type;
};

constexpr Operator kOperators[] = {
    {"**", Tok::kPow},    {"//", Tok::kFloorDiv}, {"==", Tok::kEq},      {"!=", Tok::kNe},
    {">=", Tok::kGe},     {"<=", Tok::kLe},       {"+", Tok::kAdd},      {"-", Tok::kSub},
    {"*", Tok::kMul},     {"/", Tok::kDiv},       {"%", Tok::kMod},      {"~", Tok::kTilde},
    {"[", Tok::kLBracket}, {"]", Tok::kRBracket}, {"(", Tok::kLParen},   {")", Tok::kRParen},
    {"{", Tok::kLBrace},  {"}", Tok::kRBrace},    {">", Tok::kGt},       {"<", Tok::kLt},
    {"=", Tok::kAssign},  {".", Tok::kDot},       {":", Tok::kColon},    {"|", Tok::kPipe},
    {",", Tok::kComma},   {";", Tok::kSemicolon}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int digit_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

class Lexer {
 public:
  explicit Lexer(const std::string& source) : s_(source) {}

  Result<std::vector<Token>> run() {
    while (at_ < s_.size()) OCELLI_TRY(root());
    add(Tok::kEof, s_.size());
    return std::move(tokens_);
  }

 private:
  Error error(std::string what, size_t at) const {
    return fail(Code::kBadInput, std::move(what), place_of(s_, at));
  }
  Token& add(Tok type, size_t at) {
    Token& token = tokens_.emplace_back();
    token.type = type;
    token.at = static_cast<uint32_t>(at);
    return token;
  }
  bool has(size_t at, std::string_view text) const {
    return std::string_view(s_).substr(std::min(at, s_.size())).substr(0, text.size()) == text;
  }
  size_t skip_space(size_t at) const { return at + leading_space(std::string_view(s_).substr(at)); }

  // Data up to the next tag, then the tag.
  Status root() {
    size_t tag = at_;
    while (tag < s_.size() && !(s_[tag] == '{' && tag + 1 < s_.size() &&
                                (s_[tag + 1] == '{' || s_[tag + 1] == '%' || s_[tag + 1] == '#'))) {
      ++tag;
    }
    std::string_view text = std::string_view(s_).substr(at_, tag - at_);
    if (tag == s_.size()) {
      if (!text.empty()) add(Tok::kData, at_).text = text;
      at_ = tag;
      return {};
    }
    const char kind = s_[tag + 1];
    size_t body = tag + 2;
    char sign = 0;
    if (body < s_.size() && (s_[body] == '-' || s_[body] == '+')) sign = s_[body++];
    text = strip_before_tag(text, sign, kind == '{');
    if (!text.empty()) add(Tok::kData, at_).text = text;
    if (kind == '#') return comment(body, tag);
    if (const size_t raw = raw_begin(body); kind == '%' && raw != 0) return raw_block(raw, tag);
    add(kind == '%' ? Tok::kBlockBegin : Tok::kVariableBegin, tag);
    return tag_tokens(body, kind == '%');
  }

  // "-" strips all white space before the tag; without a sign a block or comment that stands alone
  // before its line's first character loses the white space of that line.
  std::string_view strip_before_tag(std::string_view text, char sign, bool variable) const {
    if (sign == '-') return strip_right(text);
    if (sign == '+' || variable) return text;
    const size_t newline = text.rfind('\n');
    const size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    if (line == 0 && !line_starting_) return text;
    return leading_space(text.substr(line)) == text.size() - line ? text.substr(0, line) : text;
  }

  void leave_tag(size_t end) {
    line_starting_ = end > 0 && s_[end - 1] == '\n';
    at_ = end;
  }

  // The end of a block or comment ("%}" or "#}") at `at`, with its sign and the white space that it
  // eats: the offset after it, or 0 where there is none.
  size_t tag_end(size_t at, std::string_view close) const {
    if (has(at, "+") && has(at + 1, close)) return at + 3;
    if (has(at, "-") && has(at + 1, close)) return skip_space(at + 3);
    if (has(at, close)) return at + 2 + (has(at + 2, "\n") ? 1 : 0);
    return 0;
  }

  Status comment(size_t body, size_t tag) {
    if (body == s_.size()) return leave_tag(body), Status();  // Jinja2 takes "{#" at the end so
    for (size_t at = body; at < s_.size(); ++at) {
      if (s_[at] != '#' && s_[at] != '-' && s_[at] != '+') continue;
      if (const size_t end = tag_end(at, "#}"); end != 0) return leave_tag(end), Status();
    }
    return error("the comment has no end; close it with #}", tag);
  }

  // The offset after "raw %}" if the tag whose inside starts at `body` is that, or 0.
  size_t raw_begin(size_t body) const {
    size_t at = skip_space(body);
    if (!has(at, "raw")) return 0;
    at = skip_space(at + 3);
    if (has(at, "-%}")) return skip_space(at + 3);
    return has(at, "%}") ? at + 2 : 0;
  }

  Status raw_block(size_t body, size_t tag) {
    leave_tag(body);
    if (body == s_.size()) return {};
    for (size_t open = s_.find("{%", body); open != std::string::npos;
         open = s_.find("{%", open + 1)) {
      size_t at = open + 2;
      char sign = 0;
      if (has(at, "-") || has(at, "+")) sign = s_[at++];
      at = skip_space(at);
      if (!has(at, "endraw")) continue;
      const size_t end = tag_end(skip_space(at + 6), "%}");
      if (end == 0) continue;
      const std::string_view text =
          strip_before_tag(std::string_view(s_).substr(body, open - body), sign, false);
      if (!text.empty()) add(Tok::kData, body).text = text;
      return leave_tag(end), Status();
    }
    return error("the raw block has no end; close it with {% endraw %}", tag);
  }

  Status tag_tokens(size_t at, bool block) {
    std::string open;  // the brackets that are open, as their closing characters
    while (at < s_.size()) {
      if (open.empty()) {
        size_t end = 0;
        if (block) {
          end = tag_end(at, "%}");
        } else if (has(at, "-}}")) {
          end = skip_space(at + 3);
        } else if (has(at, "}}")) {
          end = at + 2;
        }
        if (end != 0) {
          add(block ? Tok::kBlockEnd : Tok::kVariableEnd, at);
          return leave_tag(end), Status();
        }
      }
      const size_t text = skip_space(at);
      if (text != at) {
        at = text;
        continue;
      }
      OCELLI_ASSIGN(at, token(at, open));
    }
    at_ = at;
    return {};
  }

  Result<size_t> token(size_t at, std::string& open) {
    const char c = s_[at];
    if (is_digit(c)) return number(at);
    if (c == '\'' || c == '"') return string_literal(at);
    const size_t name = name_length(std::string_view(s_).substr(at));
    if (name != 0) {
      add(Tok::kName, at).text = s_.substr(at, name);
      return at + name;
    }
    for (const Operator& op : kOperators) {
      if (!has(at, op.text)) continue;
      OCELLI_TRY(balance(op.text[0], at, open));
      add(op.type, at).text = op.text;
      return at + op.text.size();
    }
    const base::Utf8Char odd = base::next_utf8(s_, at);
    return error("unexpected character \"" + s_.substr(at, odd.bytes) + "\"", at);
  }

  Status balance(char c, size_t at, std::string& open) const {
    if (c == '(') open += ')';
    if (c == '[') open += ']';
    if (c == '{') open += '}';
    if (c != ')' && c != ']' && c != '}') return {};
    if (open.empty()) return error(std::string("unexpected \"") + c + "\"", at);
    if (open.back() != c) {
      return error(std::string("unexpected \"") + c + "\", expected \"" + open.back() + "\"", at);
    }
    open.pop_back();
    return {};
  }

  // The end of digits in `base` that starts at `at`, single underscores between them allowed.
  size_t digits(size_t at, int base, bool underscore_first = false) const {
    size_t end = at;
    bool under = underscore_first;
    for (size_t i = at; i < s_.size(); ++i) {
      if (digit_value(s_[i]) < base) {
        end = i + 1;
        under = true;
      } else if (s_[i] == '_' && under) {
        under = false;
      } else {
        break;
      }
    }
    return end;
  }

  Result<size_t> number(size_t at) {
    if (const size_t end = float_end(at); end != 0 && !(at > 0 && s_[at - 1] == '.')) {
      std::string text;
      for (char c : s_.substr(at, end - at)) {
        if (c != '_') text += c;
      }
      add(Tok::kFloat, at).real = parse_double(text);
      return end;
    }
    int base = 10;
    size_t first = at;
    if (s_[at] == '0' && at + 1 < s_.size()) {
      const char x = s_[at + 1] | 0x20;
      const int wanted = x == 'b' ? 2 : x == 'o' ? 8 : x == 'x' ? 16 : 0;
      if (wanted != 0 && digits(at + 2, wanted, true) > at + 2) base = wanted, first = at + 2;
    }
    size_t end = digits(first, base, base != 10);
    if (base == 10 && s_[at] == '0') {
      end = at + 1;  // zeros only: "012" is 0 and then 12
      while (has(end, "0") || has(end, "_0")) end += has(end, "0") ? 1 : 2;
    }
    int64_t value = 0;
    for (size_t i = first; i < end; ++i) {
      if (s_[i] == '_') continue;
      if (__builtin_mul_overflow(value, int64_t{base}, &value) ||
          __builtin_add_overflow(value, int64_t{digit_value(s_[i])}, &value)) {
        return error("the integer " + s_.substr(at, std::min<size_t>(end - at, 40)) +
                         " is too large (limit 64 bits)", at);
      }
    }
    add(Tok::kInteger, at).integer = value;
    return end;
  }

  // The end of a float ("1.5", "1e9", "1_0.2e-3") at `at`, or 0.
  size_t float_end(size_t at) const {
    size_t end = digits(at, 10);
    bool real = false;
    if (has(end, ".") && end + 1 < s_.size() && is_digit(s_[end + 1])) {
      end = digits(end + 1, 10);
      real = true;
    }
    if (has(end, "e") || has(end, "E")) {
      size_t exponent = end + 1;
      if (has(exponent, "+") || has(exponent, "-")) ++exponent;
      if (exponent < s_.size() && is_digit(s_[exponent])) return digits(exponent, 10);
    }
    return real ? end : 0;
  }

  Result<size_t> string_literal(size_t at) {
    const char quote = s_[at];
    size_t end = at + 1;
    while (end < s_.size() && s_[end] != quote) end += s_[end] == '\\' ? 2 : 1;
    if (end >= s_.size()) return error("the string has no end", at);
    Result<std::string> text = unescape(std::string_view(s_).substr(at + 1, end - at - 1), at + 1);
    if (!text.ok()) return std::move(text).error();
    add(Tok::kString, at).text = std::move(text).value();
    return end + 1;
  }

  Result<std::string> unescape(std::string_view raw, size_t place) const {
    std::string out;
    for (size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '\\' || i + 1 == raw.size()) {
        out += raw[i];
        continue;
      }
      const char c = raw[++i];
      static constexpr std::string_view kFrom = "abfnrtv\\'\"";
      static constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\'\"";
      if (const size_t simple = kFrom.find(c); simple != std::string_view::npos) {
        out += kTo[simple];
      } else if (c == 'x' || c == 'u' || c == 'U') {
        const size_t count = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        OCELLI_ASSIGN(const uint32_t code, hex_code(raw.substr(i + 1), count, place + i));
        base::append_utf8(out, code);
        i += count;
      } else if (c >= '0' && c <= '7') {
        uint32_t code = 0;
        size_t n = 0;
        while (n < 3 && i + n < raw.size() && raw[i + n] >= '0' && raw[i + n] <= '7') {
          code = code * 8 + static_cast<uint32_t>(raw[i + n++] - '0');
        }
        base::append_utf8(out, code);
        i += n - 1;
      } else if (c == 'N') {
        return error("character names (\\N) are not supported; write the character itself", place);
      } else if (c != '\n') {  // an escaped newline is dropped
        out += '\\';
        out += c;
      }
    }
    return out;
  }

  Result<uint32_t> hex_code(std::string_view text, size_t count, size_t place) const {
    uint32_t code = 0;
    for (size_t i = 0; i < count; ++i) {
      if (i >= text.size() || digit_value(text[i]) > 15) {
        return error("the escape sequence is cut short", place);
      }
      code = code * 16 + static_cast<uint32_t>(digit_value(text[i]));
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
      return error("the escape sequence is no character", place);
    }
    return code;
  }

  const std::string& s_;
  size_t at_ = 0;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::string normalize_source(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      out += '\n';
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

Result<std::vector<Token>> tokenize(const std::string& source) { return Lexer(source).run(); }

std::string place_of(std::string_view source, size_t at) {
  size_t line = 1, column = 1;
  for (size_t i = 0; i < std::min(at, source.size()); ++i) {
    if (source[i] == '\n') {
      ++line;
      column = 1;
    } else if ((static_cast<unsigned char>(source[i]) & 0xC0) != 0x80) {
      ++column;
    }
  }
  return std::to_string(line) + ":" + std::to_string(column);
}

std::string describe(const Token& token) {
  switch (token.type) {
    case Tok::kEof: return "the end of the template";
    case Tok::kData: return "text";
    case Tok::kBlockBegin: return "{%";
    case Tok::kBlockEnd: return "%}";
    case Tok::kVariableBegin: return "{{";
    case Tok::kVariableEnd: return "}}";
    case Tok::kString: return "a string";
    case Tok::kInteger:
    case Tok::kFloat: return "a number";
    default: return "\"" + base::printable(token.text, 60) + "\"";
  }
}

}  // namespace ocelli::text::jinja
