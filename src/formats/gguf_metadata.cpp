#include "formats/gguf_metadata.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/siphash.h"

namespace ocelli::formats {

using base::BoundedReader;
using base::Code;
using base::fail;
using base::IntRange;
using base::Result;
using base::Status;

namespace {

constexpr std::string_view kTypeNames[kGgufTypes] = {
    "uint8", "int8", "uint16", "int16",  "uint32", "int32",  "float32",
    "bool",  "text", "array",  "uint64", "int64",  "float64"};
constexpr uint64_t kSizes[kGgufTypes] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};  // 0: it varies

std::string number(uint64_t n) {
  return std::to_string(n);
}

std::string quoted(std::string_view key) {
  return base::printable(key, 80);
}

// The format asks for ASCII: words of lower case with dots. Nothing that could change a terminal
// or a path.
bool is_plain(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c > 0x20 && c < 0x7f && c != '/' && c != '\\';
  });
}

uint64_t hash_of(std::string_view key) {
  return base::siphash(key, base::process_sip_key());
}

Result<GgufType> read_type(BoundedReader& in) {
  OCELLI_ASSIGN(const auto type, in.read<uint32_t>("value type"));
  if (type < kGgufTypes) return GgufType(type);
  return fail(Code::kBadInput, "value type " + number(type) + " at byte " +
                                   number(in.offset() - 4) +
                                   " is not one of GGUF's; the file is "
                                   "damaged");
}

Result<std::string_view> read_text(BoundedReader& in, const char* what, uint64_t limit) {
  OCELLI_ASSIGN(const auto length, in.read<uint64_t>(std::string(what) + " length"));
  if (length > limit) {
    return fail(Code::kBadInput, std::string(what) + " length at byte " + number(in.offset() - 8) +
                                     " is over the limit (" + number(length) + " bytes, limit " +
                                     number(limit) + ")");
  }
  return in.read_string(what, length);
}

Result<std::span<const std::byte>> read_elements(BoundedReader& in, GgufType type, uint64_t count) {
  if (type != GgufType::kText) return in.read_array("value", count, kSizes[size_t(type)]);
  const BoundedReader begin = in;
  for (uint64_t i = 0; i < count; ++i) {
    OCELLI_TRY(read_text(in, "text", kMaxGgufTextBytes));
  }
  BoundedReader again = begin;
  return again.read_bytes("texts", begin.remaining() - in.remaining());
}

Status read_value(BoundedReader& in, GgufValue& value) {
  OCELLI_ASSIGN(value.type, read_type(in));
  if (value.type == GgufType::kArray) {
    value.array = true;
    OCELLI_ASSIGN(value.type, read_type(in));
    OCELLI_ASSIGN(value.count, in.read<uint64_t>("array length"));
    if (value.type == GgufType::kArray) {
      return fail(Code::kBadInput, "is an array of arrays, which no model needs");
    }
    if (value.count > kMaxGgufElements) {
      return fail(Code::kBadInput, "the array length is over the limit (" + number(value.count) +
                                       ", limit " + number(kMaxGgufElements) + ")");
    }
  }
  OCELLI_ASSIGN(value.bytes, read_elements(in, value.type, value.count));
  return {};
}

template <class T>
T at(const GgufValue& value, size_t index) {
  T out;
  std::memcpy(&out, value.bytes.data() + index * sizeof(T), sizeof(T));
  return out;
}

// An element as an integer; nothing where it is none, or beyond int64.
std::optional<int64_t> integer_at(const GgufValue& value, size_t i) {
  switch (value.type) {
    case GgufType::kU8:
      return at<uint8_t>(value, i);
    case GgufType::kI8:
      return at<int8_t>(value, i);
    case GgufType::kU16:
      return at<uint16_t>(value, i);
    case GgufType::kI16:
      return at<int16_t>(value, i);
    case GgufType::kU32:
      return at<uint32_t>(value, i);
    case GgufType::kI32:
      return at<int32_t>(value, i);
    case GgufType::kI64:
      return at<int64_t>(value, i);
    case GgufType::kU64: {
      // What is beyond int64 is beyond every range too.
      const auto n = at<uint64_t>(value, i);
      constexpr auto kMost = uint64_t(std::numeric_limits<int64_t>::max());
      return int64_t(std::min(n, kMost));
    }
    default:
      return std::nullopt;
  }
}

std::optional<double> number_at(const GgufValue& value, size_t i) {
  if (value.type == GgufType::kF32) return at<float>(value, i);
  if (value.type == GgufType::kF64) return at<double>(value, i);
  if (const auto whole = integer_at(value, i)) return double(*whole);
  return std::nullopt;
}

base::Error wrong_type(const GgufValue& value, const char* wanted) {
  return fail(Code::kBadInput,
              quoted(value.key) + " is " + type_text(value) + " but must be " + wanted);
}

Status check_count(const GgufValue& value, uint64_t max_count) {
  if (value.count <= max_count) return {};
  return fail(Code::kBadInput, quoted(value.key) + " has too many elements (" +
                                   number(value.count) + ", limit " + number(max_count) + ")");
}

}  // namespace

std::string type_text(const GgufValue& value) {
  return (value.array ? "an array of " : "of type ") + std::string(kTypeNames[size_t(value.type)]);
}

std::string value_text(const GgufValue& value) {
  constexpr size_t kLongest = 200;
  if (value.array) return type_text(value) + ", " + number(value.count) + " of them";
  if (value.type == GgufType::kText) {
    BoundedReader in(value.bytes);
    const auto text = read_text(in, "text", kMaxGgufTextBytes);
    return text.ok() ? base::printable(*text, kLongest) : std::string();
  }
  if (value.type == GgufType::kBool) return at<uint8_t>(value, 0) ? "true" : "false";
  if (const auto whole = integer_at(value, 0)) return std::to_string(*whole);
  const double n = number_at(value, 0).value_or(0);
  return std::isfinite(n) ? base::Json(n).dump() : std::to_string(n);
}

Result<GgufMetadata> GgufMetadata::read(BoundedReader& in, uint64_t count) {
  constexpr uint64_t kLeast = 8 + 1 + 4 + 1;  // bytes of a key and its value
  if (count > kMaxGgufKeys || count > in.remaining() / kLeast) {
    return fail(Code::kBadInput, "n_kv, the number of metadata keys, is out of range (" +
                                     number(count) + ", limit " + number(kMaxGgufKeys) + " and " +
                                     number(in.remaining()) + " bytes of file)");
  }
  GgufMetadata out;
  out.values_.reserve(size_t(count));
  const uint64_t start = in.offset();
  for (uint64_t i = 0; i < count; ++i) {
    GgufValue value;
    OCELLI_ASSIGN(value.key, read_text(in, "key", kMaxGgufKeyBytes));
    if (!is_plain(value.key)) {
      return fail(Code::kBadInput, "key \"" + quoted(value.key) + "\" of metadata entry " +
                                       number(i) +
                                       " is not made of ASCII letters, digits and dots");
    }
    OCELLI_TRY(read_value(in, value).in(quoted(value.key)));
    if (in.offset() - start > kMaxGgufMetadataBytes) {
      return fail(Code::kBadInput,
                  "the metadata is too long (limit " + number(kMaxGgufMetadataBytes) + " bytes)");
    }
    out.by_hash_.emplace_back(hash_of(value.key), uint32_t(i));
    out.values_.push_back(value);
  }
  std::sort(out.by_hash_.begin(), out.by_hash_.end());
  for (size_t i = 1; i < out.by_hash_.size(); ++i) {
    const auto key = [&](size_t j) { return out.values_[out.by_hash_[j].second].key; };
    if (out.by_hash_[i].first == out.by_hash_[i - 1].first && key(i) == key(i - 1)) {
      return fail(Code::kBadInput, "duplicate key " + quoted(key(i)) + "; the file is damaged");
    }
  }
  return out;
}

const GgufValue* GgufMetadata::find(std::string_view key) const {
  const std::pair<uint64_t, uint32_t> first(hash_of(key), 0);
  for (auto it = std::lower_bound(by_hash_.begin(), by_hash_.end(), first);
       it != by_hash_.end() && it->first == first.first; ++it) {
    if (values_[it->second].key == key) return &values_[it->second];
  }
  return nullptr;
}

Result<const GgufValue*> GgufMetadata::required(std::string_view key, bool array) const {
  const GgufValue* value = find(key);
  if (!value) {
    return fail(Code::kBadInput, quoted(key) +
                                     " is missing from the metadata; the file is not "
                                     "complete or of another kind");
  }
  if (value->array != array) return wrong_type(*value, array ? "an array" : "a single value");
  return value;
}

Result<int64_t> GgufMetadata::integer(std::string_view key, IntRange range) const {
  OCELLI_ASSIGN(const GgufValue* value, required(key, false));
  const auto n = integer_at(*value, 0);
  if (!n) return wrong_type(*value, "an integer");
  if (*n >= range.min && *n <= range.max) return *n;
  return fail(Code::kBadInput, quoted(key) + " is out of range (" + std::to_string(*n) +
                                   ", limit " + std::to_string(range.min) + " to " +
                                   std::to_string(range.max) + ")");
}

Result<int64_t> GgufMetadata::integer(std::string_view key, IntRange range,
                                      int64_t fallback) const {
  return has(key) ? integer(key, range) : Result<int64_t>(fallback);
}

Result<double> GgufMetadata::positive(std::string_view key) const {
  OCELLI_ASSIGN(const GgufValue* value, required(key, false));
  const auto n = number_at(*value, 0);
  if (!n) return wrong_type(*value, "a number");
  if (std::isfinite(*n) && *n > 0) return *n;
  return fail(Code::kBadInput,
              quoted(key) + " must be finite and more than 0 (" + std::to_string(*n) + ")");
}

Result<double> GgufMetadata::positive(std::string_view key, double fallback) const {
  return has(key) ? positive(key) : Result<double>(fallback);
}

Result<bool> GgufMetadata::boolean(std::string_view key, bool fallback) const {
  if (!has(key)) return fallback;
  OCELLI_ASSIGN(const GgufValue* value, required(key, false));
  if (value->type != GgufType::kBool) return wrong_type(*value, "a bool");
  return at<uint8_t>(*value, 0) != 0;
}

Result<std::string_view> GgufMetadata::text(std::string_view key) const {
  OCELLI_ASSIGN(const GgufValue* value, required(key, false));
  if (value->type != GgufType::kText) return wrong_type(*value, "text");
  BoundedReader in(value->bytes);
  return read_text(in, "text", kMaxGgufTextBytes);
}

Result<std::string_view> GgufMetadata::text(std::string_view key, std::string_view fallback) const {
  return has(key) ? text(key) : Result<std::string_view>(fallback);
}

Result<std::vector<std::string_view>> GgufMetadata::texts(std::string_view key) const {
  OCELLI_ASSIGN(const GgufValue* value, required(key, true));
  if (value->type != GgufType::kText) return wrong_type(*value, "an array of text");
  std::vector<std::string_view> out;
  out.reserve(size_t(value->count));  // each has at least the eight bytes of its length
  BoundedReader in(value->bytes);
  for (uint64_t i = 0; i < value->count; ++i) {
    OCELLI_ASSIGN(const std::string_view text, read_text(in, "text", kMaxGgufTextBytes));
    out.push_back(text);
  }
  return out;
}

Result<std::vector<double>> GgufMetadata::numbers(std::string_view key, uint64_t max_count) const {
  OCELLI_ASSIGN(const GgufValue* value, required(key, true));
  OCELLI_TRY(check_count(*value, max_count));
  std::vector<double> out;
  for (size_t i = 0; i < value->count; ++i) {
    const auto n = number_at(*value, i);
    if (!n) return wrong_type(*value, "an array of numbers");
    if (!std::isfinite(*n)) return fail(Code::kBadInput, quoted(key) + " holds what is not finite");
    out.push_back(*n);
  }
  return out;
}

Result<std::vector<int64_t>> GgufMetadata::integers(std::string_view key,
                                                    uint64_t max_count) const {
  OCELLI_ASSIGN(const GgufValue* value, required(key, true));
  OCELLI_TRY(check_count(*value, max_count));
  std::vector<int64_t> out;
  out.reserve(size_t(value->count));
  for (size_t i = 0; i < value->count; ++i) {
    const auto n = integer_at(*value, i);
    if (!n) return wrong_type(*value, "an array of integers");
    out.push_back(*n);
  }
  return out;
}

}  // namespace ocelli::formats
