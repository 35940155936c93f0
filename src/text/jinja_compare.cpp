// ==, < and hash() of template values, as Python has them.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/siphash.h"
#include "text/jinja_value.h"

namespace ocelli::text::jinja {
namespace {


Result<bool> sequences_equal(const std::vector<Value>& a, const std::vector<Value>& b,
                             Meter& meter) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    OCELLI_ASSIGN(const bool same, values_equal(a[i], b[i], meter));
    if (!same) return false;
  }
  return true;
}

Result<bool> dicts_equal(const DictBox& a, const DictBox& b, Meter& meter) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const DictBox::Entry& entry : a.entries) {
    OCELLI_ASSIGN(const Value* other, b.find(entry.key, meter));
    if (other == nullptr) return false;
    OCELLI_ASSIGN(const bool same, values_equal(entry.value, *other, meter));
    if (!same) return false;
  }
  return true;
}

bool ranges_equal(const RangeBox& a, const RangeBox& b) {
  return a.size == b.size && (a.size == 0 || a.start == b.start) &&
         (a.size <= 1 || a.step == b.step);
}

// The smallest and largest doubles that convert to int64 without overflow.
constexpr double kInt64Low = -9223372036854775808.0, kInt64High = 9223372036854775808.0;

bool equal_int_double(int64_t i, double d) {
  return d >= kInt64Low && d < kInt64High && std::floor(d) == d && static_cast<int64_t>(d) == i;
}

bool less_int_double(int64_t i, double d) {
  if (std::isnan(d)) return false;
  if (d >= kInt64High) return true;
  if (d < kInt64Low) return false;
  const double floor = std::floor(d);
  const auto whole = static_cast<int64_t>(floor);
  return i < whole || (i == whole && d > floor);
}

bool less_double_int(double d, int64_t i) {
  if (std::isnan(d)) return false;
  return !less_int_double(i, d) && !equal_int_double(i, d);
}

bool numbers_equal(const Value& a, const Value& b) {
  if (a.is(Kind::kFloat) && b.is(Kind::kFloat)) return a.as_double() == b.as_double();
  if (a.is(Kind::kFloat)) return equal_int_double(b.as_int(), a.as_double());
  if (b.is(Kind::kFloat)) return equal_int_double(a.as_int(), b.as_double());
  return a.as_int() == b.as_int();
}

bool number_less(const Value& a, const Value& b) {
  if (a.is(Kind::kFloat) && b.is(Kind::kFloat)) return a.as_double() < b.as_double();
  if (a.is(Kind::kFloat)) return less_double_int(a.as_double(), b.as_int());
  if (b.is(Kind::kFloat)) return less_int_double(a.as_int(), b.as_double());
  return a.as_int() < b.as_int();
}

uint64_t mix(uint64_t x) {
  const base::SipKey& key = base::process_sip_key();
  const std::string_view bytes(reinterpret_cast<const char*>(&x), sizeof(x));
  return base::siphash(bytes, key);
}

}  // namespace

Result<bool> values_equal(const Value& a, const Value& b, Meter& meter) {
  if (!meter.spend(1)) return Meter::error();
  if (a.is_number() && b.is_number()) return numbers_equal(a, b);
  if (a.kind() != b.kind()) return false;
  if (a.identity() != nullptr && a.identity() == b.identity()) return true;
  switch (a.kind()) {
    case Kind::kNone:
    case Kind::kUndefined: return true;
    case Kind::kString:
      if (a.str().size() != b.str().size()) return false;
      if (!meter.spend_bytes(a.str().size())) return Meter::error();
      return a.str() == b.str();
    case Kind::kList:
    case Kind::kTuple: return sequences_equal(a.items(), b.items(), meter);
    case Kind::kDict: return dicts_equal(a.dict(), b.dict(), meter);
    case Kind::kRange: return ranges_equal(a.as<RangeBox>(), b.as<RangeBox>());
    default: return false;
  }
}

Result<bool> value_less(const Value& a, const Value& b, Meter& meter) {
  if (!meter.spend(1)) return Meter::error();
  if (a.is_undefined()) return undefined_error(a);
  if (b.is_undefined()) return undefined_error(b);
  if (a.is_number() && b.is_number()) return number_less(a, b);
  if (a.is_string() && b.is_string()) {
    if (!meter.spend_bytes(std::min(a.str().size(), b.str().size()))) return Meter::error();
    return a.str() < b.str();  // UTF-8 sorts as its characters do
  }
  if (a.is_sequence() && a.kind() == b.kind()) {
    for (size_t i = 0; i < a.items().size() && i < b.items().size(); ++i) {
      OCELLI_ASSIGN(const bool same, values_equal(a.items()[i], b.items()[i], meter));
      if (!same) return value_less(a.items()[i], b.items()[i], meter);
    }
    return a.items().size() < b.items().size();
  }
  return fail(Code::kBadInput, "a " + std::string(type_name(a)) + " and a " +
                                   std::string(type_name(b)) + " have no order");
}

Result<uint64_t> hash_value(const Value& value, Meter& meter) {
  if (!meter.spend(1)) return Meter::error();
  switch (value.kind()) {
    case Kind::kString:
      if (!meter.spend_bytes(value.str().size())) return Meter::error();
      return base::siphash(value.str(), base::process_sip_key());
    case Kind::kBool:
    case Kind::kInt: return mix(static_cast<uint64_t>(value.as_int()));
    case Kind::kFloat: {
      const double d = value.as_double();
      if (d >= kInt64Low && d < kInt64High && std::floor(d) == d) {
        return mix(static_cast<uint64_t>(static_cast<int64_t>(d)));
      }
      uint64_t bits = 0;
      std::memcpy(&bits, &d, sizeof(bits));
      return mix(bits);
    }
    case Kind::kTuple: {
      uint64_t hash = 0x7475706c65;
      for (const Value& item : value.items()) {
        OCELLI_ASSIGN(const uint64_t part, hash_value(item, meter));
        hash = mix(hash ^ part);
      }
      return hash;
    }
    case Kind::kList:
    case Kind::kDict:
    case Kind::kView:
      return fail(Code::kBadInput, "a " + std::string(type_name(value)) +
                                       " cannot be a key (unhashable type)");
    case Kind::kRange: return mix(static_cast<uint64_t>(value.as<RangeBox>().size));
    case Kind::kNone:
    case Kind::kUndefined: return mix(0x4e6f6e65 + static_cast<uint64_t>(value.kind()));
    default: return mix(reinterpret_cast<uintptr_t>(value.identity()));
  }
}

}  // namespace ocelli::text::jinja
