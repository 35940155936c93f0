// Expressions.
#include "text/jinja_filters.h"
#include "text/jinja_interp.h"

namespace ocelli::text::jinja {

Result<Value> Interpreter::eval(const Expr& node) {
  if (!meter_.spend(1)) return located(Meter::error(), node.at);
  if (depth_ >= kMaxEvalDepth) {
    return located(fail(Code::kBadInput, "the template recurses too deeply (limit " +
                                             std::to_string(kMaxEvalDepth) + ")"), node.at);
  }
  ++depth_;
  Result<Value> value = eval_node(node);
  --depth_;
  if (!value.ok()) return located(std::move(value).error(), node.at);
  return value;
}

Result<Value> Interpreter::eval_node(const Expr& node) {
  switch (node.type) {
    case Expr::Type::kConst: return node.value;
    case Expr::Type::kName: return name(node);
    case Expr::Type::kNsRef: return fail(Code::kInternal, "an assignment target was read");
    case Expr::Type::kList:
    case Expr::Type::kTuple: return sequence(node);
    case Expr::Type::kDict: return dict(node);
    case Expr::Type::kMath: return math(node);
    case Expr::Type::kPow: {
      OCELLI_ASSIGN(const Value base, eval(*node.items[0]));
      OCELLI_ASSIGN(const Value exponent, eval(*node.items[1]));
      return binary(Op::kPow, base, exponent);
    }
    case Expr::Type::kAnd:
    case Expr::Type::kOr: return logic(node);
    case Expr::Type::kConcat: return concat(node);
    case Expr::Type::kNot: {
      OCELLI_ASSIGN(const Value value, eval(*node.items[0]));
      return Value::boolean(!value.truthy());
    }
    case Expr::Type::kNeg:
    case Expr::Type::kPos: return sign(node);
    case Expr::Type::kCompare: return compare(node);
    case Expr::Type::kGetAttr: {
      OCELLI_ASSIGN(const Value object, eval(*node.items[0]));
      return attribute(object, node.name);
    }
    case Expr::Type::kGetItem: {
      OCELLI_ASSIGN(const Value object, eval(*node.items[0]));
      OCELLI_ASSIGN(const Value key, eval(*node.items[1]));
      return item(object, key);
    }
    case Expr::Type::kSlice: return slice_of(node);
    case Expr::Type::kCall: {
      OCELLI_ASSIGN(const Value callee, eval(*node.items[0]));
      OCELLI_ASSIGN(Args args, arguments(node.args.get()));
      return call(callee, std::move(args));
    }
    case Expr::Type::kFilter: return filter(node, nullptr);
    case Expr::Type::kTest: return test(node);
    case Expr::Type::kCond: return cond(node);
  }
  return fail(Code::kInternal, "an unknown expression");
}

Result<Value> Interpreter::name(const Expr& node) {
  const Value& value = at(node.slot);
  if (value.missing()) return Value::undefined("\"" + node.name + "\" is undefined");
  return value;
}

Result<Value> Interpreter::sequence(const Expr& node) {
  std::vector<Value> items;
  items.reserve(node.items.size());
  for (const ExprPtr& item : node.items) {
    OCELLI_ASSIGN(Value value, eval(*item));
    items.push_back(std::move(value));
  }
  const bool list = node.type == Expr::Type::kList;
  return list ? make_list(std::move(items)) : make_tuple(std::move(items));
}

Result<Value> Interpreter::dict(const Expr& node) {
  DictBox dict;
  for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
    OCELLI_ASSIGN(Value key, eval(*node.items[i]));
    OCELLI_ASSIGN(Value value, eval(*node.items[i + 1]));
    OCELLI_TRY(dict.set(std::move(key), std::move(value), meter_));
  }
  return make_dict(std::move(dict));
}

Result<Value> Interpreter::math(const Expr& node) {
  OCELLI_ASSIGN(Value left, eval(*node.items[0]));
  for (size_t i = 0; i < node.ops.size(); ++i) {
    OCELLI_ASSIGN(const Value right, eval(*node.items[i + 1]));
    OCELLI_ASSIGN(left, binary(node.ops[i], left, right));
  }
  return left;
}

Result<Value> Interpreter::logic(const Expr& node) {
  Value value;
  for (const ExprPtr& item : node.items) {
    OCELLI_ASSIGN(value, eval(*item));
    if (value.truthy() == (node.type == Expr::Type::kOr)) break;
  }
  return value;
}

Result<Value> Interpreter::concat(const Expr& node) {
  std::string text;
  for (const ExprPtr& item : node.items) {
    OCELLI_ASSIGN(const Value value, eval(*item));
    OCELLI_TRY(append_str(text, value, meter_));
  }
  return string(std::move(text));
}

Result<Value> Interpreter::sign(const Expr& node) {
  OCELLI_ASSIGN(const Value value, eval(*node.items[0]));
  if (value.is_undefined()) return undefined_error(value);
  if (!value.is_number()) {
    return fail(Code::kBadInput, "a value of type " + std::string(type_name(value)) +
                                     " has no sign");
  }
  const bool negative = node.type == Expr::Type::kNeg;
  if (value.is(Kind::kFloat)) return Value::real(negative ? -value.as_double() : value.as_double());
  if (!negative) return Value::integer(value.as_int());
  return binary(Op::kSub, Value::integer(0), value);
}

Result<bool> Interpreter::compare_one(Op op, const Value& a, const Value& b) {
  switch (op) {
    case Op::kEq: return values_equal(a, b, meter_);
    case Op::kNe: {
      OCELLI_ASSIGN(const bool same, values_equal(a, b, meter_));
      return !same;
    }
    case Op::kLt: return value_less(a, b, meter_);
    case Op::kGt: return value_less(b, a, meter_);
    case Op::kLe:
    case Op::kGe: {
      // Not "not greater": NaN is neither.
      const Value& low = op == Op::kLe ? a : b;
      const Value& high = op == Op::kLe ? b : a;
      OCELLI_ASSIGN(const bool less, value_less(low, high, meter_));
      if (less) return true;
      return values_equal(low, high, meter_);
    }
    case Op::kIn: return contains(b, a);
    case Op::kNotIn: {
      OCELLI_ASSIGN(const bool in, contains(b, a));
      return !in;
    }
    default: return fail(Code::kInternal, "an unknown comparison");
  }
}

Result<Value> Interpreter::compare(const Expr& node) {
  OCELLI_ASSIGN(Value left, eval(*node.items[0]));
  for (size_t i = 0; i < node.ops.size(); ++i) {
    OCELLI_ASSIGN(Value right, eval(*node.items[i + 1]));
    OCELLI_ASSIGN(const bool holds, compare_one(node.ops[i], left, right));
    if (!holds) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Result<Value> Interpreter::slice_of(const Expr& node) {
  OCELLI_ASSIGN(const Value object, eval(*node.items[0]));
  Value parts[3];
  for (size_t i = 0; i < 3; ++i) {
    parts[i] = Value::none();
    if (!node.items[i + 1]) continue;
    OCELLI_ASSIGN(parts[i], eval(*node.items[i + 1]));
  }
  return slice(object, parts[0], parts[1], parts[2]);
}

Result<Value> Interpreter::cond(const Expr& node) {
  OCELLI_ASSIGN(const Value test, eval(*node.items[1]));
  if (test.truthy()) return eval(*node.items[0]);
  if (node.items[2]) return eval(*node.items[2]);
  return Value::undefined("the inline if has no else and its condition is false");
}

Result<Args> Interpreter::arguments(const CallArgs* args) {
  Args out;
  if (args == nullptr) return out;
  for (const ExprPtr& expr : args->positional) {
    OCELLI_ASSIGN(Value value, eval(*expr));
    out.positional.push_back(std::move(value));
  }
  for (const auto& [name, expr] : args->named) {
    OCELLI_ASSIGN(Value value, eval(*expr));
    out.named.emplace_back(name, std::move(value));
  }
  if (args->star) {
    OCELLI_ASSIGN(const Value value, eval(*args->star));
    OCELLI_ASSIGN(std::vector<Value> more, list(value));
    for (Value& item : more) out.positional.push_back(std::move(item));
  }
  if (!args->star_star) return out;
  OCELLI_ASSIGN(const Value value, eval(*args->star_star));
  if (!value.is(Kind::kDict)) return fail(Code::kBadInput, "the argument after ** is no dict");
  for (const DictBox::Entry& entry : value.dict().entries) {
    if (!entry.key.is_string()) return fail(Code::kBadInput, "an argument's name is no text");
    for (const auto& named : out.named) {
      if (named.first == entry.key.str()) return fail(Code::kBadInput, "an argument is given twice");
    }
    out.named.emplace_back(entry.key.str(), entry.value);
  }
  return out;
}

// `captured` is the text of a filter block or block set, which the first filter of the chain takes.
Result<Value> Interpreter::filter(const Expr& node, const Value* captured) {
  Value input;
  if (node.items.empty()) {
    input = *captured;
  } else if (captured != nullptr && node.items[0]->type == Expr::Type::kFilter) {
    OCELLI_ASSIGN(input, filter(*node.items[0], captured));
  } else {
    OCELLI_ASSIGN(input, eval(*node.items[0]));
  }
  const Native native = find_filter(node.name);
  if (native == nullptr) return fail(Code::kBadInput, "there is no filter \"" + node.name + "\"");
  OCELLI_ASSIGN(const Args args, arguments(node.args.get()));
  Result<Value> result = run_native(native, input, args);
  if (!result.ok()) return located(std::move(result).error(), node.at);
  return result;
}

Result<Value> Interpreter::test(const Expr& node) {
  OCELLI_ASSIGN(const Value value, eval(*node.items[0]));
  const Native native = find_test(node.name);
  if (native == nullptr) return fail(Code::kBadInput, "there is no test \"" + node.name + "\"");
  OCELLI_ASSIGN(const Args args, arguments(node.args.get()));
  return run_native(native, value, args);
}

}  // namespace ocelli::text::jinja
