// The tests behind `is`.
#include "text/jinja_filters.h"
#include "text/jinja_text.h"

namespace ocelli::text::jinja {
namespace {

template <bool (*kTest)(const Value&)>
Result<Value> simple(Interpreter&, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "the test", {}, 0));
  return Value::boolean(kTest(self));
}

bool is_defined(const Value& v) { return !v.is_undefined(); }
bool is_undefined(const Value& v) { return v.is_undefined(); }
bool is_none(const Value& v) { return v.is_none(); }
bool is_boolean(const Value& v) { return v.is(Kind::kBool); }
bool is_true(const Value& v) { return v.is(Kind::kBool) && v.as_bool(); }
bool is_false(const Value& v) { return v.is(Kind::kBool) && !v.as_bool(); }
bool is_integer(const Value& v) { return v.is(Kind::kInt); }
bool is_float(const Value& v) { return v.is(Kind::kFloat); }
bool is_number(const Value& v) { return v.is_number(); }
bool is_string(const Value& v) { return v.is_string(); }
bool is_mapping(const Value& v) { return v.is(Kind::kDict); }
bool is_iterable(const Value& v) { return Iteration::possible(v); }
bool is_escaped(const Value& v) { return v.markup(); }
bool is_callable(const Value& v) {
  // Undefined defines __call__ (to fail), so Python finds it callable.
  return v.is(Kind::kFunction) || v.is(Kind::kMacro) || v.is(Kind::kLoop) || v.is(Kind::kJoiner) ||
         v.is_undefined();
}
// Has a length and items by position or key.
bool is_sequence(const Value& v) {
  return v.is_string() || v.is_sequence() || v.is(Kind::kDict) || v.is(Kind::kRange) ||
         v.is_undefined();
}

Result<Value> remainder(Interpreter& in, const Value& self, int64_t by, int64_t wanted) {
  OCELLI_ASSIGN(const Value rest, in.binary(Op::kMod, self, Value::integer(by)));
  OCELLI_ASSIGN(const bool same, values_equal(rest, Value::integer(wanted), in.meter()));
  return Value::boolean(same);
}

Result<Value> odd(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "odd", {}, 0));
  return remainder(in, self, 2, 1);
}
Result<Value> even(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "even", {}, 0));
  return remainder(in, self, 2, 0);
}
Result<Value> divisible(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "divisibleby", {"num"}, 1));
  OCELLI_ASSIGN(const Value rest, in.binary(Op::kMod, self, arg[0]));
  OCELLI_ASSIGN(const bool same, values_equal(rest, Value::integer(0), in.meter()));
  return Value::boolean(same);
}

template <Op kOp>
Result<Value> compare(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "the test", {"_other"}, 1));
  const Value& other = arg[0];
  bool result = false;
  if (kOp == Op::kEq || kOp == Op::kNe) {
    OCELLI_ASSIGN(const bool same, values_equal(self, other, in.meter()));
    result = same == (kOp == Op::kEq);
  } else if (kOp == Op::kLt || kOp == Op::kLe) {
    OCELLI_ASSIGN(result, value_less(self, other, in.meter()));
  } else {
    OCELLI_ASSIGN(result, value_less(other, self, in.meter()));
  }
  if (!result && (kOp == Op::kLe || kOp == Op::kGe)) {
    OCELLI_ASSIGN(result, values_equal(self, other, in.meter()));
  }
  return Value::boolean(result);
}

Result<Value> in_container(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "in", {"seq"}, 1));
  OCELLI_ASSIGN(const bool found, in.contains(arg[0], self));
  return Value::boolean(found);
}

Result<Value> same_as(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "sameas", {"other"}, 1));
  if (self.kind() != arg[0].kind()) return Value::boolean(false);
  if (self.identity() != nullptr && !self.is_string()) {
    return Value::boolean(self.identity() == arg[0].identity());
  }
  OCELLI_ASSIGN(const bool same, values_equal(self, arg[0], in.meter()));
  return Value::boolean(same);
}

template <bool kUpper>
Result<Value> has_case(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "the test", {}, 0));
  OCELLI_ASSIGN(std::string text, in.str(self));
  return find_str_method(kUpper ? "isupper" : "islower")(in, Value::string(std::move(text)), Args());
}

Result<Value> known_filter(Interpreter&, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "filter", {}, 0));
  return Value::boolean(self.is_string() && find_filter(self.str()) != nullptr);
}
Result<Value> known_test(Interpreter&, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "test", {}, 0));
  return Value::boolean(self.is_string() && find_test(self.str()) != nullptr);
}

constexpr NamedNative kTests[] = {
    {"defined", simple<is_defined>},   {"undefined", simple<is_undefined>},
    {"none", simple<is_none>},         {"boolean", simple<is_boolean>},
    {"true", simple<is_true>},         {"false", simple<is_false>},
    {"integer", simple<is_integer>},   {"float", simple<is_float>},
    {"number", simple<is_number>},     {"string", simple<is_string>},
    {"mapping", simple<is_mapping>},   {"sequence", simple<is_sequence>},
    {"iterable", simple<is_iterable>}, {"callable", simple<is_callable>},
    {"escaped", simple<is_escaped>},   {"odd", odd},
    {"even", even},                    {"divisibleby", divisible},
    {"==", compare<Op::kEq>},          {"eq", compare<Op::kEq>},
    {"equalto", compare<Op::kEq>},     {"!=", compare<Op::kNe>},
    {"ne", compare<Op::kNe>},          {">", compare<Op::kGt>},
    {"gt", compare<Op::kGt>},          {"greaterthan", compare<Op::kGt>},
    {">=", compare<Op::kGe>},          {"ge", compare<Op::kGe>},
    {"<", compare<Op::kLt>},           {"lt", compare<Op::kLt>},
    {"lessthan", compare<Op::kLt>},    {"<=", compare<Op::kLe>},
    {"le", compare<Op::kLe>},          {"in", in_container},
    {"sameas", same_as},               {"lower", has_case<false>},
    {"upper", has_case<true>},         {"filter", known_filter},
    {"test", known_test}};

}  // namespace

Native find_test(std::string_view name) {
  for (const NamedNative& test : kTests) {
    if (test.name == name) return test.call;
  }
  return nullptr;
}

}  // namespace ocelli::text::jinja
