// Operators on values: arithmetic, `in`, slices. Integers have 64 bits; Python's are unlimited, so
// an overflow is an error here.
#include <algorithm>
#include <cmath>

#include "base/utf8.h"
#include "text/jinja_filters.h"
#include "text/jinja_interp.h"
#include "text/jinja_text.h"

namespace ocelli::text::jinja {
namespace {

Error overflow() { return fail(Code::kBadInput, "an integer is too large (limit 64 bits)"); }
Error zero_division() { return fail(Code::kBadInput, "division by zero"); }

Error no_operator(const char* op, const Value& a, const Value& b) {
  if (a.is_undefined()) return undefined_error(a);
  if (b.is_undefined()) return undefined_error(b);
  return fail(Code::kBadInput, "cannot calculate " + std::string(type_name(a)) + " " + op + " " +
                                   std::string(type_name(b)));
}

Result<Value> floor_divide(int64_t a, int64_t b, bool remainder) {
  if (b == 0) return zero_division();
  if (b == -1) {
    if (remainder) return Value::integer(0);
    if (a == INT64_MIN) return overflow();
    return Value::integer(-a);
  }
  int64_t quotient = a / b, rest = a % b;
  if (rest != 0 && (rest < 0) != (b < 0)) {
    rest += b;
    --quotient;
  }
  return Value::integer(remainder ? rest : quotient);
}

// As float.__mod__ and float.__floordiv__.
Result<Value> floor_divide(double a, double b, bool remainder) {
  if (b == 0) return zero_division();
  double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0) {
    if ((b < 0) != (rest < 0)) {
      rest += b;
      quotient -= 1;
    }
  } else {
    rest = std::copysign(0.0, b);
  }
  if (remainder) return Value::real(rest);
  if (quotient == 0) return Value::real(std::copysign(0.0, a / b));
  const double floor = std::floor(quotient);
  return Value::real(quotient - floor > 0.5 ? floor + 1 : floor);
}

Result<Value> power(const Value& a, const Value& b) {
  if (!a.is(Kind::kFloat) && !b.is(Kind::kFloat) && b.as_int() >= 0) {
    int64_t result = 1, base = a.as_int();
    for (int64_t n = b.as_int(); n > 0;) {
      if ((n & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return overflow();
      n >>= 1;
      if (n > 0 && __builtin_mul_overflow(base, base, &base)) return overflow();
    }
    return Value::integer(result);
  }
  const double x = a.as_double(), y = b.as_double();
  if (x == 0 && y < 0) return zero_division();
  const double result = std::pow(x, y);
  if (std::isnan(result) && !std::isnan(x) && !std::isnan(y)) {
    return fail(Code::kBadInput, "a power is no real number");
  }
  if (std::isinf(result) && !std::isinf(x) && !std::isinf(y)) {
    return fail(Code::kBadInput, "a power is too large");
  }
  return Value::real(result);
}

Result<Value> whole(Op op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool bad = false;
  switch (op) {
    case Op::kAdd: bad = __builtin_add_overflow(a, b, &result); break;
    case Op::kSub: bad = __builtin_sub_overflow(a, b, &result); break;
    case Op::kMul: bad = __builtin_mul_overflow(a, b, &result); break;
    case Op::kDiv:
      if (b == 0) return zero_division();
      return Value::real(static_cast<double>(a) / static_cast<double>(b));
    default: return floor_divide(a, b, op == Op::kMod);
  }
  if (bad) return overflow();
  return Value::integer(result);
}

Result<Value> real(Op op, double a, double b) {
  switch (op) {
    case Op::kAdd: return Value::real(a + b);
    case Op::kSub: return Value::real(a - b);
    case Op::kMul: return Value::real(a * b);
    case Op::kDiv:
      if (b == 0) return zero_division();
      return Value::real(a / b);
    default: return floor_divide(a, b, op == Op::kMod);
  }
}

Result<Value> repeat(Interpreter& in, const Value& what, int64_t times) {
  times = std::max<int64_t>(times, 0);
  if (what.is_string()) {
    const std::string& text = what.str();
    if (text.empty()) return what;
    if (times > static_cast<int64_t>(kMaxOutputBytes / text.size())) {
      return fail(Code::kBadInput, "a repeated text is too large (" + std::to_string(times) +
                                       " times, limit " + std::to_string(kMaxOutputBytes) +
                                       " bytes)");
    }
    std::string out;
    for (int64_t i = 0; i < times; ++i) out += text;
    return in.string(std::move(out), what.markup());
  }
  const std::vector<Value>& items = what.items();
  if (!items.empty() && times > kMaxRange / static_cast<int64_t>(items.size())) {
    return fail(Code::kBadInput, "a repeated list is too long (" + std::to_string(times) +
                                     " times, limit " + std::to_string(kMaxRange) + " items)");
  }
  std::vector<Value> out;
  for (int64_t i = 0; i < times; ++i) out.insert(out.end(), items.begin(), items.end());
  if (!in.meter().spend(static_cast<int64_t>(out.size()))) return Meter::error();
  return what.is(Kind::kList) ? make_list(std::move(out)) : make_tuple(std::move(out));
}

Result<Value> add(Interpreter& in, const Value& a, const Value& b) {
  if (a.is_string() && b.is_string()) {
    const bool markup = a.markup() || b.markup();
    std::string out = markup && !a.markup() ? escape_html(a.str()) : a.str();
    out += markup && !b.markup() ? escape_html(b.str()) : b.str();
    return in.string(std::move(out), markup);
  }
  if (a.is_sequence() && a.kind() == b.kind()) {
    std::vector<Value> out = a.items();
    out.insert(out.end(), b.items().begin(), b.items().end());
    if (!in.meter().spend(static_cast<int64_t>(out.size()))) return Meter::error();
    return a.is(Kind::kList) ? make_list(std::move(out)) : make_tuple(std::move(out));
  }
  return no_operator("+", a, b);
}

const char* sign_of(Op op) {
  switch (op) {
    case Op::kSub: return "-";
    case Op::kMul: return "*";
    case Op::kDiv: return "/";
    case Op::kFloorDiv: return "//";
    case Op::kMod: return "%";
    case Op::kPow: return "**";
    default: return "+";
  }
}

// As slice.indices(), and the number of items.
struct SliceRange {
  int64_t start = 0, end = 0, step = 1, count = 0;
};

Result<SliceRange> slice_range(int64_t size, const Value& start, const Value& stop,
                               const Value& step) {
  for (const Value* part : {&start, &stop, &step}) {
    if (part->is_none() || part->is_int()) continue;
    if (part->is_undefined()) {
      return fail(Code::kBadInput, "a slice needs integers: " + part->str());
    }
    return bad_argument("a slice", "integers", *part);
  }
  SliceRange range;
  range.step = step.is_none() ? 1 : step.as_int();
  if (range.step == 0) return fail(Code::kBadInput, "a slice's step is zero");
  const bool down = range.step < 0;
  const int64_t low = down ? -1 : 0, high = down ? size - 1 : size;
  const auto clamp = [&](const Value& part, int64_t fallback) {
    if (part.is_none()) return fallback;
    int64_t at = part.as_int();
    if (at < 0) at = at < -size ? low : at + size;
    return std::clamp(at, low, std::max(low, high));
  };
  range.start = clamp(start, down ? high : low);
  range.end = clamp(stop, down ? low : high);
  const int64_t distance = down ? range.start - range.end : range.end - range.start;
  if (distance > 0) {
    const uint64_t pace = down ? 0 - static_cast<uint64_t>(range.step)
                               : static_cast<uint64_t>(range.step);
    range.count = static_cast<int64_t>((static_cast<uint64_t>(distance) - 1) / pace + 1);
  }
  return range;
}

Result<Value> slice_text(Interpreter& in, const Value& object, const SliceRange& range) {
  const std::string& text = object.str();
  const bool ascii = object.char_count() == static_cast<int64_t>(text.size());
  if (!ascii && !in.meter().spend_bytes(text.size())) return Meter::error();
  std::vector<size_t> starts;
  if (!ascii && range.step != 1) {
    for (size_t at = 0; at < text.size(); at += base::next_utf8(text, at).bytes) {
      starts.push_back(at);
    }
  }
  if (range.step == 1) {
    if (range.count == 0) return in.string("", object.markup());
    const auto first = static_cast<size_t>(range.start), count = static_cast<size_t>(range.count);
    const std::string_view view(text);
    const size_t begin = ascii ? first : offset_of_char(view, first);
    const size_t bytes = ascii ? count : offset_of_char(view.substr(begin), count);
    return in.string(text.substr(begin, bytes), object.markup());
  }
  std::string out;
  for (int64_t i = 0; i < range.count; ++i) {
    const auto index = static_cast<size_t>(range.start + i * range.step);
    if (ascii) {
      out += text[index];
    } else {
      const size_t end = index + 1 < starts.size() ? starts[index + 1] : text.size();
      out += text.substr(starts[index], end - starts[index]);
    }
  }
  return in.string(std::move(out), object.markup());
}

}  // namespace

Result<Value> Interpreter::binary(Op op, const Value& a, const Value& b) {
  if (op == Op::kMod && a.is_string()) {
    if (b.is_undefined()) return undefined_error(b);
    return percent_format(*this, a, b);
  }
  if (a.is_number() && b.is_number()) {
    if (op == Op::kPow) return power(a, b);
    if (a.is(Kind::kFloat) || b.is(Kind::kFloat)) return real(op, a.as_double(), b.as_double());
    return whole(op, a.as_int(), b.as_int());
  }
  if (op == Op::kAdd) return add(*this, a, b);
  if (op == Op::kMul && (a.is_string() || a.is_sequence()) && b.is_int()) {
    return repeat(*this, a, b.as_int());
  }
  if (op == Op::kMul && (b.is_string() || b.is_sequence()) && a.is_int()) {
    return repeat(*this, b, a.as_int());
  }
  return no_operator(sign_of(op), a, b);
}

Result<bool> Interpreter::contains(const Value& container, const Value& what) {
  if (container.is_string()) {
    if (!what.is_string()) return bad_argument("\"in\" a text", "a text", what);
    if (!meter_.spend_bytes(container.str().size() + what.str().size())) return Meter::error();
    return find_first(container.str(), what.str()) != std::string_view::npos;
  }
  const bool keys = container.is(Kind::kDict) ||
                    (container.is(Kind::kView) &&
                     container.as<ViewBox>().what == ViewBox::What::kKeys);
  if (keys) {
    const Value& dict = container.is(Kind::kDict) ? container : container.as<ViewBox>().dict;
    OCELLI_ASSIGN(const Value* found, dict.dict().find(what, meter_));
    return found != nullptr;
  }
  OCELLI_ASSIGN(Iteration iteration, Iteration::over(container));
  while (true) {
    OCELLI_ASSIGN(const Value item, iteration.next(meter_));
    if (item.missing()) return false;
    OCELLI_ASSIGN(const bool same, values_equal(item, what, meter_));
    if (same) return true;
  }
}

Result<Value> Interpreter::slice(const Value& object, const Value& start, const Value& stop,
                                 const Value& step) {
  if (object.is_undefined()) return undefined_error(object);
  if (!object.is_string() && !object.is_sequence() && !object.is(Kind::kRange)) {
    return fail(Code::kBadInput, "a value of type " + std::string(type_name(object)) +
                                     " cannot be sliced");
  }
  OCELLI_ASSIGN(const SliceRange range, slice_range(length_of(object), start, stop, step));
  if (object.is_string()) return slice_text(*this, object, range);
  if (object.is(Kind::kRange)) {
    const RangeBox& old = object.as<RangeBox>();
    auto box = std::make_shared<RangeBox>();
    box->start = old.start + range.start * old.step;
    box->stop = old.start + range.end * old.step;
    if (__builtin_mul_overflow(old.step, range.step, &box->step)) return overflow();
    box->size = range.count;
    return Value::box(Kind::kRange, std::move(box));
  }
  if (!meter_.spend(range.count)) return Meter::error();
  std::vector<Value> items;
  for (int64_t i = 0; i < range.count; ++i) {
    items.push_back(object.items()[static_cast<size_t>(range.start + i * range.step)]);
  }
  return object.is(Kind::kList) ? make_list(std::move(items)) : make_tuple(std::move(items));
}

}  // namespace ocelli::text::jinja
