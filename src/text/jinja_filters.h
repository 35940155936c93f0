// Filters, tests, global functions and methods, found by name.
//
// A Native gets the filtered value (or the object of a method) as `self` and the arguments of the
// call. All of them keep to the interpreter's limits.
#pragma once

#include <array>
#include <initializer_list>
#include <string_view>

#include "text/jinja_interp.h"

namespace ocelli::text::jinja {

struct NamedNative {
  std::string_view name;
  Native call;
};

// Null where there is none.
Native find_filter(std::string_view name);
Native find_test(std::string_view name);
const Value* find_global(std::string_view name);
Native find_str_method(std::string_view name);

// The parts of the filter table.
Native find_text_filter(std::string_view name);
Native find_sequence_filter(std::string_view name);
Native find_number_filter(std::string_view name);

// A bound method or a free function as a value.
Value make_function(std::string_view name, Native call, Value self = Value());

// Arguments by position or name: result[i] is kMissing where names[i] is not given. Names that
// start with "_" are by position only. Refuses too many, unknown and (of the first `required`)
// missing ones.
inline constexpr size_t kMaxBound = 6;
using Bound = std::array<Value, kMaxBound>;
Result<Bound> bind(const Args& args, std::string_view who,
                   std::initializer_list<std::string_view> names, size_t required);

// The value as an integer or a text of a Python function's argument; the fallback where missing.
Result<int64_t> int_arg(const Value& value, std::string_view who, int64_t fallback);
Result<std::string> str_arg(const Value& value, std::string_view who, std::string fallback);

Error bad_argument(std::string_view who, std::string_view wanted, const Value& found);

// Format strings: "..." % values and "...".format(...).
Result<Value> percent_format(Interpreter& in, const Value& format, const Value& values);
Result<Value> brace_format(Interpreter& in, const Value& format, const Args& args);
// format(value, spec): one replacement field.
Result<std::string> format_field(Interpreter& in, const Value& value, std::string_view spec);

std::string escape_html(std::string_view text);

// Text attribute paths ("a.b.0") of map, sort, sum and so on.
Result<Value> lookup_path(Interpreter& in, Value item, const Value& path);

}  // namespace ocelli::text::jinja
