// JSON values: parsed within limits, in the order written, duplicates refused.
//
//   OCELLI_ASSIGN(const Json config, Json::parse(text, {.max_bytes = kMaxConfigBytes}));
//   OCELLI_ASSIGN(const int64_t width, config.get_int("hidden_size", {.min = 1, .max = 65536}));
//
// Objects keep their order (chat templates print it) and find a key in constant time, however many
// there are. Values are immutable once parsed, except through the builders below.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace ocelli::base {

struct JsonLimits {
  size_t max_bytes = size_t{64} << 20;
  int max_depth = 128;            // never more than 1000, whatever is asked for
  size_t max_values = 4'000'000;  // a value takes about 40 bytes, an array or object 100 more
};

struct IntRange {
  int64_t min = INT64_MIN, max = INT64_MAX;
};

class JsonIndex;

class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  enum class Kind { kNull, kBool, kInt, kFloat, kString, kArray, kObject };

  Json() = default;  // null
  Json(std::nullptr_t) {}
  Json(bool b) : v_(b) {}
  Json(int i) : v_(int64_t{i}) {}
  Json(int64_t i) : v_(i) {}
  Json(double d) : v_(d) {}
  Json(const char* s) : v_(std::string(s)) {}
  Json(std::string s) : v_(std::move(s)) {}
  Json(std::string_view s) : v_(std::string(s)) {}
  static Json array(Array items = {});
  static Json object(std::vector<Member> members = {});
  // Of members without duplicates and the index that found none (json_index.h); for the parser.
  static Json object(std::vector<Member> members, JsonIndex index);

  // Refuses what is not exactly one JSON value in UTF-8 (a BOM, NaN, trailing bytes, a key twice,
  // depth or size over the limit). The error names line and column. Integers outside int64 become
  // floats; floats that overflow are refused.
  static Result<Json> parse(std::string_view text, JsonLimits limits = {});

  Kind kind() const { return static_cast<Kind>(v_.index()); }
  bool is_null() const { return kind() == Kind::kNull; }
  bool is_bool() const { return kind() == Kind::kBool; }
  bool is_int() const { return kind() == Kind::kInt; }
  bool is_number() const { return is_int() || kind() == Kind::kFloat; }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_array() const { return kind() == Kind::kArray; }
  bool is_object() const { return kind() == Kind::kObject; }

  // Require the kind (CHECK).
  bool as_bool() const;
  int64_t as_int() const;
  double as_double() const;  // of an integer too
  const std::string& as_string() const;
  const Array& items() const;
  const std::vector<Member>& members() const;

  // Number of items or members; 0 for everything else.
  size_t size() const;
  // The member, or null (a pointer to nothing) where this is no object or has no such key.
  const Json* find(std::string_view key) const;

  // Members of an object with a clear error ("\"hidden_size\" is missing", "... must be an integer
  // from 1 to 65536 (-3)"). A null value counts as missing. The forms with a fallback take a
  // missing member for the fallback but still refuse a wrong type or range.
  Result<int64_t> get_int(std::string_view key, IntRange range = {}) const;
  Result<int64_t> get_int(std::string_view key, IntRange range, int64_t fallback) const;
  Result<double> get_double(std::string_view key) const;
  Result<double> get_double(std::string_view key, double fallback) const;
  Result<bool> get_bool(std::string_view key, bool fallback) const;
  Result<std::string> get_string(std::string_view key) const;
  Result<std::string> get_string(std::string_view key, std::string fallback) const;

  // Builders.
  Json& push_back(Json value);             // requires an array
  Json& set(std::string key, Json value);  // requires an object; replaces a member in place

  // Compact ("{\"a\":1}") or indented text, UTF-8 as it is, control characters escaped; floats in
  // the shortest form that reads back equal. NaN and infinities become null.
  std::string dump(int indent = -1) const;

  bool operator==(const Json& other) const;

 private:
  struct ArrayBox;
  struct ObjectBox;
  std::variant<std::monostate, bool, int64_t, double, std::string, std::shared_ptr<ArrayBox>,
               std::shared_ptr<ObjectBox>>
      v_;
};

}  // namespace ocelli::base
