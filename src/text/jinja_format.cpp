// "..." % values, "...".format(...) and the format specifications that both share.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

#include "base/utf8.h"
#include "text/jinja_filters.h"
#include "text/jinja_text.h"

namespace ocelli::text::jinja {
namespace {

using View = std::string_view;

constexpr int64_t kMaxWidth = 100'000;
constexpr int kMaxPrecision = 400;

// [[fill]align][sign][#][0][width][grouping][.precision][type]
struct Spec {
  std::string fill = " ";
  char align = 0, sign = '-', type = 0, group = 0;
  bool alternative = false, zero = false;
  int64_t width = 0;
  int precision = -1;
};

Error bad_spec(View spec) {
  return fail(Code::kBadInput, "the format \"" + base::printable(spec, 60) + "\" is not supported");
}

Result<int64_t> read_number(View& text, int64_t limit) {
  int64_t value = 0;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    value = value * 10 + (text[0] - '0');
    if (value > limit) {
      return fail(Code::kBadInput, "a format asks for too much (limit " + std::to_string(limit) +
                                       " characters)");
    }
    text.remove_prefix(1);
  }
  return value;
}

bool take(View& text, char c) {
  if (text.empty() || text[0] != c) return false;
  text.remove_prefix(1);
  return true;
}

bool is_align(char c) { return c == '<' || c == '>' || c == '^' || c == '='; }

Result<Spec> parse_spec(View text) {
  const View whole = text;
  Spec spec;
  const size_t first = text.empty() ? 0 : base::next_utf8(text, 0).bytes;
  const bool filled = first < text.size() && is_align(text[first]);
  if (filled) {
    spec.fill = text.substr(0, first);
    spec.align = text[first];
    text.remove_prefix(first + 1);
  } else if (!text.empty() && is_align(text[0])) {
    spec.align = text[0];
    text.remove_prefix(1);
  }
  if (!text.empty() && (text[0] == '+' || text[0] == '-' || text[0] == ' ')) {
    spec.sign = text[0];
    text.remove_prefix(1);
  }
  spec.alternative = take(text, '#');
  if (take(text, '0')) {
    spec.zero = true;
    if (!filled) spec.fill = "0";
    if (spec.align == 0) spec.align = '=';
  }
  OCELLI_ASSIGN(spec.width, read_number(text, kMaxWidth));
  if (take(text, ',')) {
    spec.group = ',';
  } else if (take(text, '_')) {
    spec.group = '_';
  }
  if (take(text, '.')) {
    if (text.empty() || text[0] < '0' || text[0] > '9') return bad_spec(whole);
    OCELLI_ASSIGN(const int64_t precision, read_number(text, kMaxWidth));
    spec.precision = static_cast<int>(precision);
  }
  if (!text.empty()) {
    spec.type = text[0];
    text.remove_prefix(1);
  }
  if (!text.empty()) return bad_spec(whole);
  return spec;
}

// `sign` and prefix stand before the padding of align '='.
std::string padded(const Spec& spec, const std::string& sign, const std::string& body,
                   char natural) {
  const auto length = static_cast<int64_t>(count_chars(sign) + count_chars(body));
  const int64_t missing = std::max<int64_t>(spec.width - length, 0);
  const char align = spec.align == 0 ? natural : spec.align;
  const int64_t left = align == '>' || align == '=' ? missing : align == '^' ? missing / 2 : 0;
  std::string before, after;
  for (int64_t i = 0; i < left; ++i) before += spec.fill;
  for (int64_t i = left; i < missing; ++i) after += spec.fill;
  return align == '=' ? sign + before + body : before + sign + body + after;
}

std::string grouped(const std::string& digits, char separator, size_t every) {
  if (separator == 0) return digits;
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % every == 0) out += separator;
    out += digits[i];
  }
  return out;
}

std::string sign_text(bool negative, char sign) {
  return negative ? "-" : sign == '-' ? "" : std::string(1, sign);
}

Result<std::string> format_int(int64_t value, const Spec& spec, View whole) {
  const bool negative = value < 0;
  const uint64_t size = negative ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  if (spec.precision >= 0) return bad_spec(whole);
  std::string sign = sign_text(negative, spec.sign), digits;
  int base = 10;
  switch (spec.type) {
    case 0:
    case 'd':
    case 'n': break;
    case 'x':
    case 'X': base = 16; break;
    case 'o': base = 8; break;
    case 'b': base = 2; break;
    case 'c':
      if (negative || size > 0x10FFFF || (size >= 0xD800 && size < 0xE000)) return bad_spec(whole);
      base::append_utf8(digits, static_cast<uint32_t>(size));
      return padded(spec, "", digits, '<');
    default: return bad_spec(whole);
  }
  char buffer[72];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), size, base);
  digits.assign(buffer, end.ptr);
  if (spec.type == 'X') std::transform(digits.begin(), digits.end(), digits.begin(), ::toupper);
  if (spec.alternative && base != 10) sign += std::string("0") + spec.type;
  digits = grouped(digits, spec.group, base == 10 ? 3 : 4);
  if (spec.group != 0 && spec.align == '=' && spec.fill == "0") return bad_spec(whole);
  return padded(spec, sign, digits, '>');
}

// The C library's conversions are exact, as Python's are.
std::string c_double(double value, const char* format, int precision) {
  std::string out(static_cast<size_t>(std::snprintf(nullptr, 0, format, precision, value)), '\0');
  std::snprintf(out.data(), out.size() + 1, format, precision, value);
  return out;
}

// 'g' of Python's str-like default ("1e+16", "0.5"), keeping ".0".
Result<std::string> format_real(double value, const Spec& spec, View whole) {
  const bool negative = std::signbit(value) && !std::isnan(value);
  const double size = std::fabs(value);
  if (spec.precision > kMaxPrecision) return bad_spec(whole);
  const int precision = spec.precision < 0 ? 6 : spec.precision;
  std::string body;
  switch (spec.type) {
    case 0:
      if (spec.precision < 0) {
        body = format_double(size);
      } else {
        const std::string text = c_double(size, "%#.*g", std::max(precision, 1));
        const size_t e = text.find('e');
        body = text.substr(0, e);
        if (body.find('.') != std::string::npos) {
          while (body.back() == '0') body.pop_back();
        }
        if (body.back() == '.') body += e == std::string::npos ? "0" : "";
        if (e != std::string::npos && body.back() == '.') body.pop_back();
        if (e != std::string::npos) body += text.substr(e);
      }
      break;
    case 'e': body = c_double(size, spec.alternative ? "%#.*e" : "%.*e", precision); break;
    case 'E': body = c_double(size, spec.alternative ? "%#.*E" : "%.*E", precision); break;
    case 'f': body = c_double(size, spec.alternative ? "%#.*f" : "%.*f", precision); break;
    case 'F': body = c_double(size, spec.alternative ? "%#.*F" : "%.*F", precision); break;
    case 'g':
    case 'n': body = c_double(size, spec.alternative ? "%#.*g" : "%.*g", precision); break;
    case 'G': body = c_double(size, spec.alternative ? "%#.*G" : "%.*G", precision); break;
    case '%': body = c_double(size * 100, "%.*f", precision) + "%"; break;
    default: return bad_spec(whole);
  }
  if (spec.group != 0) {
    const size_t end = body.find_first_not_of("0123456789");
    const std::string rest = end == std::string::npos ? "" : body.substr(end);
    body = grouped(body.substr(0, end), spec.group, 3) + rest;
    if (spec.align == '=' && spec.fill == "0") return bad_spec(whole);
  }
  return padded(spec, sign_text(negative, spec.sign), body, '>');
}

Result<std::string> format_text(View text, const Spec& spec, View whole) {
  if ((spec.type != 0 && spec.type != 's') || spec.align == '=' || spec.group != 0 ||
      spec.sign != '-' || spec.alternative) {
    return bad_spec(whole);
  }
  if (spec.precision >= 0) {
    text = text.substr(0, offset_of_char(text, static_cast<size_t>(spec.precision)));
  }
  return padded(spec, "", std::string(text), '<');
}

// --- "..." % values ---

class Percent {
 public:
  Percent(Interpreter& in, View format, const Value& values, bool markup)
      : in_(in), text_(format), values_(values), markup_(markup) {
    if (values.is(Kind::kTuple)) {
      queue_ = values.items();
    } else {
      queue_ = {values};
    }
  }

  Result<Value> run() {
    while (!text_.empty()) {
      const size_t percent = std::min(text_.find('%'), text_.size());
      out_ += text_.substr(0, percent);
      text_.remove_prefix(percent);
      if (text_.empty()) break;
      text_.remove_prefix(1);
      OCELLI_TRY(field());
      if (out_.size() > kMaxOutputBytes) break;
    }
    if (used_ < queue_.size() && !mapped_ && !values_.is(Kind::kDict)) {
      return fail(Code::kBadInput, "not all values were used by the % format");
    }
    return in_.string(std::move(out_), markup_);
  }

 private:
  Result<Value> next() {
    if (mapped_) return named_;
    if (used_ >= queue_.size()) return fail(Code::kBadInput, "too few values for the % format");
    return queue_[used_++];
  }

  Status key() {
    if (!take(text_, '(')) return {};
    int open = 1;
    size_t end = 0;
    for (; end < text_.size() && open > 0; ++end) {
      open += text_[end] == '(' ? 1 : text_[end] == ')' ? -1 : 0;
    }
    if (open > 0 || !values_.is(Kind::kDict)) {
      return fail(Code::kBadInput, "a % format with names needs a dict");
    }
    OCELLI_ASSIGN(const Value* found,
                  values_.dict().find(Value::string(std::string(text_.substr(0, end - 1))),
                                      in_.meter()));
    if (found == nullptr) return fail(Code::kBadInput, "a name of the % format is not there");
    named_ = *found;
    mapped_ = true;
    text_.remove_prefix(end);
    return {};
  }

  Result<int64_t> number(int64_t limit) {
    if (!take(text_, '*')) return read_number(text_, limit);
    OCELLI_ASSIGN(const Value value, next());
    OCELLI_ASSIGN(const int64_t n, int_arg(value, "*", 0));
    if (n < -limit || n > limit) return fail(Code::kBadInput, "a % format asks for too much");
    return n;
  }

  Status field() {
    Spec spec;
    mapped_ = false;
    OCELLI_TRY(key());
    bool left = false, zero = false;
    for (; !text_.empty(); text_.remove_prefix(1)) {
      const char c = text_[0];
      if (c == '-') left = true;
      else if (c == '0') zero = true;
      else if (c == '#') spec.alternative = true;
      else if (c == '+') spec.sign = '+';
      else if (c == ' ') spec.sign = spec.sign == '+' ? '+' : ' ';
      else break;
    }
    OCELLI_ASSIGN(spec.width, number(kMaxWidth));
    if (spec.width < 0) left = true, spec.width = -spec.width;
    if (take(text_, '.')) {
      OCELLI_ASSIGN(const int64_t precision, number(kMaxPrecision));
      spec.precision = static_cast<int>(std::max<int64_t>(precision, 0));
    }
    while (!text_.empty() && (text_[0] == 'l' || text_[0] == 'h' || text_[0] == 'L')) {
      text_.remove_prefix(1);
    }
    if (text_.empty()) return fail(Code::kBadInput, "the % format is cut short");
    const char type = text_[0];
    text_.remove_prefix(1);
    if (type == '%') return out_ += '%', Status();
    spec.align = left ? '<' : '>';
    OCELLI_ASSIGN(const Value value, next());
    return convert(spec, type, value, zero && !left);
  }

  Status convert(Spec spec, char type, const Value& value, bool zero) {
    if (type == 's' || type == 'r' || type == 'a' || (type == 'c' && value.is_string())) {
      std::string text;
      OCELLI_TRY(type == 's' || type == 'c' ? append_str(text, value, in_.meter())
                                            : append_repr(text, value, in_.meter()));
      if (type == 'c' && count_chars(text) != 1) return bad_argument("%c", "one character", value);
      spec.sign = '-';
      spec.alternative = false;
      if (markup_ && !value.markup()) text = escape_html(text);
      OCELLI_ASSIGN(const std::string field, format_text(text, spec, "s"));
      out_ += field;
      return {};
    }
    if (value.is_undefined()) return undefined_error(value);
    if (!value.is_number()) return bad_argument("a % format", "a number", value);
    if (zero) spec.fill = "0", spec.align = '=';
    return number_field(spec, type, value);
  }

  Status number_field(Spec spec, char type, const Value& value) {
    std::string field;
    if (View("eEfFgG").find(type) != View::npos) {
      spec.type = type;
      OCELLI_ASSIGN(field, format_real(value.as_double(), spec, "f"));
    } else {
      if (View("diuxXoc").find(type) == View::npos) {
        return fail(Code::kBadInput, std::string("the % format has an unknown type (") + type + ")");
      }
      if (value.is(Kind::kFloat) && View("diu").find(type) == View::npos) {
        return bad_argument("a % format", "an integer", value);
      }
      const double d = value.as_double();
      if (value.is(Kind::kFloat) && !(std::fabs(d) < 9.2e18)) {
        return fail(Code::kBadInput, "an integer is too large (limit 64 bits)");
      }
      const int64_t whole = value.is(Kind::kFloat) ? static_cast<int64_t>(d) : value.as_int();
      spec.type = View("diu").find(type) != View::npos ? 'd' : type;
      const int digits = std::exchange(spec.precision, -1);
      if (digits >= 0) return precise_int(spec, whole, digits);
      OCELLI_ASSIGN(field, format_int(whole, spec, "d"));
    }
    out_ += field;
    return {};
  }

  // "%.3d": at least so many digits.
  Status precise_int(Spec spec, int64_t value, int digits) {
    Spec inner = spec;
    inner.width = digits;
    inner.fill = "0";
    inner.align = '=';
    inner.sign = '-';
    const uint64_t size = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
    if (size > static_cast<uint64_t>(INT64_MAX)) return bad_spec("d");
    OCELLI_ASSIGN(const std::string body, format_int(static_cast<int64_t>(size), inner, "d"));
    out_ += padded(spec, sign_text(value < 0, spec.sign), body, '>');
    return {};
  }

  Interpreter& in_;
  View text_;
  const Value& values_;
  bool markup_;
  std::vector<Value> queue_;
  size_t used_ = 0;
  Value named_;
  bool mapped_ = false;
  std::string out_;
};

// --- "...".format(...) ---

class Brace {
 public:
  Brace(Interpreter& in, const Args& args, bool markup) : in_(in), args_(args), markup_(markup) {}

  Result<std::string> run(View text, int level) {
    if (level > 2) return fail(Code::kBadInput, "format: fields are nested too deeply (limit 2)");
    std::string out;
    while (!text.empty()) {
      const size_t at = std::min(text.find_first_of("{}"), text.size());
      out += text.substr(0, at);
      text.remove_prefix(at);
      if (text.empty()) break;
      const char c = text[0];
      if (text.size() > 1 && text[1] == c) {
        out += c;
        text.remove_prefix(2);
        continue;
      }
      if (c == '}') return fail(Code::kBadInput, "format: a single } in the text");
      text.remove_prefix(1);
      OCELLI_ASSIGN(const std::string field, replacement(text, level));
      out += field;
      if (out.size() > kMaxOutputBytes) break;
    }
    return out;
  }

 private:
  Result<std::string> replacement(View& text, int level) {
    size_t end = 0;
    for (int open = 1; open > 0; ++end) {
      if (end == text.size()) return fail(Code::kBadInput, "format: a { has no end");
      open += text[end] == '{' ? 1 : text[end] == '}' ? -1 : 0;
    }
    View field = text.substr(0, end - 1);
    text.remove_prefix(end);
    const size_t name_end = std::min(field.find_first_of("!:"), field.size());
    OCELLI_ASSIGN(Value value, lookup(field.substr(0, name_end)));
    field.remove_prefix(name_end);
    bool as_markup = value.markup();
    if (take(field, '!')) {
      if (field.empty() || (field.size() > 1 && field[1] != ':')) {
        return fail(Code::kBadInput, "format: a bad conversion after !");
      }
      std::string converted;
      OCELLI_TRY(field[0] == 's' ? append_str(converted, value, in_.meter())
                                 : append_repr(converted, value, in_.meter()));
      if (View("sra").find(field[0]) == View::npos) return bad_spec(field);
      OCELLI_ASSIGN(value, in_.string(std::move(converted)));
      field.remove_prefix(1);
      as_markup = false;
    }
    std::string spec;
    if (take(field, ':')) {
      OCELLI_ASSIGN(spec, run(field, level + 1));
    }
    OCELLI_ASSIGN(const std::string out, format_field(in_, value, spec));
    return markup_ && !as_markup ? escape_html(out) : out;
  }

  Result<Value> lookup(View path) {
    const size_t end = std::min(path.find_first_of(".["), path.size());
    OCELLI_ASSIGN(Value value, first(path.substr(0, end)));
    path.remove_prefix(end);
    while (!path.empty()) {
      if (take(path, '.')) {
        const size_t stop = std::min(path.find_first_of(".["), path.size());
        OCELLI_ASSIGN(value, in_.attribute(value, std::string(path.substr(0, stop))));
        path.remove_prefix(stop);
      } else if (take(path, '[')) {
        const size_t stop = path.find(']');
        if (stop == View::npos) return fail(Code::kBadInput, "format: a [ has no end");
        OCELLI_ASSIGN(value, in_.item(value, index(path.substr(0, stop))));
        path.remove_prefix(stop + 1);
      } else {
        return fail(Code::kBadInput, "format: only . or [ may follow ]");
      }
    }
    return value;
  }

  static Value index(View text) {
    int64_t number = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = result.ec == std::errc() && result.ptr == text.data() + text.size();
    return whole && text[0] != '-' ? Value::integer(number) : Value::string(std::string(text));
  }

  Result<Value> first(View name) {
    Value key = name.empty() ? Value::integer(static_cast<int64_t>(automatic_++)) : index(name);
    if (key.is_int()) {
      if (static_cast<size_t>(key.as_int()) < args_.positional.size()) {
        return args_.positional[static_cast<size_t>(key.as_int())];
      }
    } else {
      for (const auto& named : args_.named) {
        if (named.first == name) return named.second;
      }
    }
    return fail(Code::kBadInput, "format: there is no value for a field");
  }

  Interpreter& in_;
  const Args& args_;
  bool markup_;
  size_t automatic_ = 0;
};

}  // namespace

Result<Value> percent_format(Interpreter& in, const Value& format, const Value& values) {
  return Percent(in, format.str(), values, format.markup()).run();
}

Result<Value> brace_format(Interpreter& in, const Value& format, const Args& args) {
  OCELLI_ASSIGN(std::string out, Brace(in, args, format.markup()).run(format.str(), 1));
  return in.string(std::move(out), format.markup());
}

Result<std::string> format_field(Interpreter& in, const Value& value, std::string_view text) {
  if (text.empty()) return in.str(value);
  OCELLI_ASSIGN(Spec spec, parse_spec(text));
  const bool real = value.is(Kind::kFloat) ||
                    (value.is_int() && View("eEfFgG%").find(spec.type) != View::npos && spec.type);
  if (real) return format_real(value.as_double(), spec, text);
  if (value.is(Kind::kInt) || (value.is(Kind::kBool) && spec.type != 0 && spec.type != 's')) {
    return format_int(value.as_int(), spec, text);
  }
  if (value.is(Kind::kBool)) return format_int(value.as_int(), spec, text);
  if (!value.is_string()) return bad_spec(text);
  if (spec.zero && spec.align == '=') spec.align = '<';
  return format_text(value.str(), spec, text);
}

}  // namespace ocelli::text::jinja
