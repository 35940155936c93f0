// The values of a Jinja template: Python's, as far as templates can see them.
//
// A Value is cheap to copy: scalars inside, everything else shared and never changed once made
// (the sandbox lets no template change a list or dict). Only namespaces change; the interpreter
// empties them at its end, so that cycles through them do not leak.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "text/jinja_limits.h"

namespace ocelli::text::jinja {

class Value;
class Interpreter;
struct Args;
struct Statement;
struct Scope;
struct LoopState;

enum class Kind : uint8_t {
  kMissing,    // no value at all: an unset variable, an argument not given; templates never see it
  kUndefined,  // Jinja's Undefined; holds the sentence that an illegal use of it gives
  kNone, kBool, kInt, kFloat, kString, kList, kTuple, kDict,
  kView,       // dict.keys(), .values() and .items()
  kRange,
  kIterator,   // a generator: can be read once
  kNamespace, kMacro, kLoop, kFunction, kCycler, kJoiner
};

struct Box {
  virtual ~Box() = default;
};

struct StringBox : Box {
  std::string text;
  mutable int64_t chars = -1;  // counted when first asked for
};

struct ListBox;
struct DictBox;
struct ViewBox;
struct RangeBox;
struct IteratorBox;
struct FunctionBox;
struct NamespaceBox;
struct MacroBox;
struct CyclerBox;
struct JoinerBox;

class Value {
 public:
  Value() = default;  // kMissing
  static Value undefined(std::string why);
  static Value none() { return Value(Kind::kNone); }
  static Value boolean(bool b) { return Value(Kind::kBool, b ? 1 : 0); }
  static Value integer(int64_t i) { return Value(Kind::kInt, i); }
  static Value real(double d);
  // Strings made while rendering go through Interpreter::string, which keeps them within limits.
  static Value string(std::string text, bool markup = false);
  static Value box(Kind kind, std::shared_ptr<const Box> box) {
    Value value(kind);
    value.box_ = std::move(box);
    return value;
  }

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool missing() const { return kind_ == Kind::kMissing; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_int() const { return kind_ == Kind::kInt || kind_ == Kind::kBool; }  // as isinstance
  bool is_number() const { return is_int() || kind_ == Kind::kFloat; }
  bool is_sequence() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }

  // Markup: text that `safe` or `escape` made; + escapes what is added to it.
  bool markup() const { return markup_; }

  // Each requires the kind.
  bool as_bool() const { return number_.i != 0; }
  int64_t as_int() const { return number_.i; }  // of a bool too
  double as_double() const { return kind_ == Kind::kFloat ? number_.d : double(number_.i); }
  const std::string& str() const { return as<StringBox>().text; }
  const std::vector<Value>& items() const;  // of a list or tuple
  const DictBox& dict() const;
  int64_t char_count() const;  // of a string
  template <class T>
  const T& as() const { return static_cast<const T&>(*box_); }
  const Box* identity() const { return box_.get(); }
  const std::shared_ptr<const Box>& shared() const { return box_; }

  bool truthy() const;
  int depth() const;  // of nesting: 0 for a scalar

 private:
  explicit Value(Kind kind, int64_t i = 0) : kind_(kind) { number_.i = i; }

  Kind kind_ = Kind::kMissing;
  bool markup_ = false;
  union {
    int64_t i;
    double d;
  } number_ = {0};
  std::shared_ptr<const Box> box_;
};

struct ListBox : Box {
  std::vector<Value> items;
  int depth = 1;
  bool group = false;  // a tuple of groupby, whose parts have the names grouper and list
};

// In the order of insertion, found by hash.
struct DictBox : Box {
  struct Entry {
    uint64_t hash;
    Value key, value;
  };
  std::vector<Entry> entries;
  std::vector<uint32_t> table;  // open addressing over entries, index + 1; empty while small
  int depth = 1;

  Status set(Value key, Value value, Meter& meter);
  // The member, or null. The error is that of a key without a hash (a list or dict).
  Result<const Value*> find(const Value& key, Meter& meter) const;
  const Value* find(std::string_view key) const;

 private:
  template <class Same>
  Result<const Entry*> lookup(uint64_t hash, Same same) const;
  void index(uint32_t at);
};

struct ViewBox : Box {
  enum class What { kKeys, kValues, kItems } what;
  Value dict;
};

struct RangeBox : Box {
  int64_t start = 0, stop = 0, step = 1, size = 0;
};

struct IteratorBox : Box {
  // The next value, or kMissing at the end.
  std::function<Result<Value>()> next;
  int depth = 1;
};

using Native = Result<Value> (*)(Interpreter&, const Value& self, const Args&);

struct FunctionBox : Box {
  std::string name;
  Native call = nullptr;
  Value self;  // of a bound method
};

struct NamespaceBox : Box {
  mutable DictBox members;
};

struct MacroBox : Box {
  const Statement* node = nullptr;
  Scope* scope = nullptr;  // where it was defined; the interpreter owns it
};

struct CyclerBox : Box {
  std::vector<Value> items;
  mutable size_t at = 0;
};

struct JoinerBox : Box {
  std::string separator;
  mutable bool used = false;
};

struct Args {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// Refuse nesting beyond kMaxValueDepth.
Result<Value> make_list(std::vector<Value> items);
Result<Value> make_tuple(std::vector<Value> items);
Result<Value> make_dict(DictBox dict);
Result<Value> make_iterator(std::function<Result<Value>()> next, int depth);
Result<Value> from_json(const base::Json& json, Meter& meter);

// The name of the type in Python ("str", "NoneType"), for errors.
std::string_view type_name(const Value& value);

// ==, <, hash() and `in`. Steps are counted: values may share parts, and comparing follows each.
Result<bool> values_equal(const Value& a, const Value& b, Meter& meter);
Result<bool> value_less(const Value& a, const Value& b, Meter& meter);
Result<uint64_t> hash_value(const Value& value, Meter& meter);

// str() and repr(), appended to `out`, which stays within kMaxOutputBytes.
Status append_str(std::string& out, const Value& value, Meter& meter);
Status append_repr(std::string& out, const Value& value, Meter& meter);
std::string format_double(double value);  // repr(float)
std::string quoted(std::string_view text);  // repr(str)

// json.dumps.
struct JsonStyle {
  bool ascii = false, sort_keys = false, multiline = false;
  std::string indent, item_separator = ", ", key_separator = ": ";
};
Status append_json(std::string& out, const Value& value, const JsonStyle& style, Meter& meter);

// The error of using an undefined value.
Error undefined_error(const Value& value);

}  // namespace ocelli::text::jinja
