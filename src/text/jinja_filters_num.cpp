// Filters on numbers.
#include <cmath>
#include <cstdio>

#include "text/jinja_filters.h"
#include "text/jinja_text.h"

namespace ocelli::text::jinja {
namespace {

using View = std::string_view;

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

enum class Parsing { kGood, kBad, kTooLarge };

// int(text, base) of Python: white space, sign, prefix, underscores between digits.
Parsing parse_int(View text, int64_t base, int64_t& out) {
  text = strip_right(strip_left(text));
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text.size() > 1 && text[0] == '0') {
    const char x = static_cast<char>(text[1] | 0x20);
    const int prefix = x == 'x' ? 16 : x == 'o' ? 8 : x == 'b' ? 2 : 0;
    if (prefix != 0 && (base == prefix || base == 0)) {
      base = prefix;
      text.remove_prefix(2);
      if (!text.empty() && text[0] == '_') text.remove_prefix(1);
    }
  }
  if (base == 0) base = 10;
  if (text.empty() || text.front() == '_' || text.back() == '_') return Parsing::kBad;
  int64_t value = 0;
  bool overflow = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_' && text[i - 1] != '_') continue;
    const int digit = digit_of(text[i]);
    if (digit >= base) return Parsing::kBad;
    overflow = overflow || __builtin_mul_overflow(value, base, &value) ||
               __builtin_sub_overflow(value, int64_t{digit}, &value);
  }
  if (!negative) overflow = overflow || __builtin_sub_overflow(int64_t{0}, value, &value);
  out = value;
  return overflow ? Parsing::kTooLarge : Parsing::kGood;
}

// float(text) of Python.
bool parse_real(View text, double& out) {
  text = strip_right(strip_left(text));
  std::string plain;
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  for (size_t i = 0; i < text.size(); ++i) {
    const bool digits = i > 0 && i + 1 < text.size() && digit_of(text[i - 1]) < 10 &&
                        digit_of(text[i + 1]) < 10;
    if (text[i] == '_' && digits) continue;
    plain += static_cast<char>(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
  }
  if (plain == "inf" || plain == "infinity") {
    out = HUGE_VAL;
  } else if (plain == "nan") {
    out = std::nan("");
  } else {
    const size_t digits = plain.find_first_not_of("0123456789.");
    View mantissa = View(plain).substr(0, digits);
    if (mantissa.find_first_of("0123456789") == View::npos) return false;
    if (mantissa.find('.') != mantissa.rfind('.')) return false;
    if (digits != View::npos) {
      View exponent = View(plain).substr(digits);
      if (exponent[0] != 'e') return false;
      exponent.remove_prefix(1);
      if (!exponent.empty() && (exponent[0] == '+' || exponent[0] == '-')) exponent.remove_prefix(1);
      if (exponent.empty() || exponent.find_first_not_of("0123456789") != View::npos) return false;
      if (const size_t plus = plain.find('+'); plus != View::npos) plain.erase(plus, 1);
    }
    out = parse_double(plain);
  }
  if (negative) out = -out;
  return true;
}

Error too_large() { return fail(Code::kBadInput, "an integer is too large (limit 64 bits)"); }

Result<Value> truncated(double d, const Value& fallback) {
  if (std::isnan(d)) return fallback;
  if (!(std::fabs(d) < 9223372036854775808.0)) return too_large();
  return Value::integer(static_cast<int64_t>(d));
}

Result<Value> to_int(Interpreter&, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "int", {"default", "base"}, 0));
  OCELLI_ASSIGN(const int64_t base, int_arg(arg[1], "int", 10));
  const Value fallback = arg[0].missing() ? Value::integer(0) : arg[0];
  if (self.is_undefined()) return undefined_error(self);
  if (self.is(Kind::kFloat)) return truncated(self.as_double(), fallback);
  if (self.is_number()) return Value::integer(self.as_int());
  if (!self.is_string()) return fallback;
  int64_t value = 0;
  if (base == 0 || (base >= 2 && base <= 36)) {
    const Parsing parsed = parse_int(self.str(), base, value);
    if (parsed == Parsing::kGood) return Value::integer(value);
    if (parsed == Parsing::kTooLarge) return too_large();
  }
  double real = 0;
  if (!parse_real(self.str(), real) || std::isinf(real)) return fallback;
  return truncated(real, fallback);
}

Result<Value> to_float(Interpreter&, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "float", {"default"}, 0));
  if (self.is_undefined()) return undefined_error(self);
  if (self.is_number()) return Value::real(self.as_double());
  double value = 0;
  if (self.is_string() && parse_real(self.str(), value)) return Value::real(value);
  return arg[0].missing() ? Value::real(0) : arg[0];
}

Result<Value> absolute(Interpreter&, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "abs", {}, 0));
  if (self.is(Kind::kFloat)) return Value::real(std::fabs(self.as_double()));
  if (!self.is_number()) return bad_argument("abs", "a number", self);
  if (self.as_int() == INT64_MIN) return too_large();
  return Value::integer(std::abs(self.as_int()));
}

// round(float, digits): correct on the decimal digits, ties to even.
double round_digits(double value, int64_t digits) {
  if (!std::isfinite(value) || digits > 400) return value;
  if (digits < -400) return std::copysign(0.0, value);
  if (digits < 0) {
    const double scale = std::pow(10.0, static_cast<double>(-digits));
    return std::nearbyint(value / scale) * scale;
  }
  char buffer[800];
  const int size = std::snprintf(buffer, sizeof(buffer), "%.*f", static_cast<int>(digits), value);
  return parse_double(View(buffer, static_cast<size_t>(size)));
}

// round(int, -n): ties to even.
int64_t round_whole(int64_t value, int64_t digits) {
  if (digits >= 0) return value;
  if (digits < -18) return 0;
  int64_t scale = 1;
  for (int64_t i = digits; i < 0; ++i) scale *= 10;
  const int64_t rest = ((value % scale) + scale) % scale, down = value - rest;
  const bool up = rest * 2 > scale || (rest * 2 == scale && (down / scale) % 2 != 0);
  return up ? down + scale : down;
}

Result<Value> round(Interpreter&, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "round", {"precision", "method"}, 0));
  OCELLI_ASSIGN(const int64_t digits, int_arg(arg[0], "round", 0));
  OCELLI_ASSIGN(const std::string method, str_arg(arg[1], "round", "common"));
  if (!self.is_number()) return bad_argument("round", "a number", self);
  if (method == "common") {
    if (!self.is(Kind::kFloat)) return Value::integer(round_whole(self.as_int(), digits));
    return Value::real(round_digits(self.as_double(), digits));
  }
  if (method != "ceil" && method != "floor") {
    return fail(Code::kBadInput, "round: the method is common, ceil or floor");
  }
  const double scale = std::pow(10.0, static_cast<double>(digits));
  const double scaled = self.as_double() * scale;
  if (!std::isfinite(scaled)) return fail(Code::kBadInput, "round: the number is too large");
  return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

constexpr NamedNative kFilters[] = {
    {"int", to_int}, {"float", to_float}, {"abs", absolute}, {"round", round}};

}  // namespace

Native find_number_filter(std::string_view name) {
  for (const NamedNative& filter : kFilters) {
    if (filter.name == name) return filter.call;
  }
  return nullptr;
}

}  // namespace ocelli::text::jinja
