// The expression half of the parser: Jinja2's precedence climbing, one function a level.
#include <algorithm>

#include "text/jinja_parser.h"

namespace ocelli::text::jinja {
namespace {

constexpr int kMaxHeight = 2 * kMaxNesting;  // chains of filters and attributes grow it too

ExprPtr make(Expr::Type type, size_t at) {
  auto node = std::make_unique<Expr>();
  node->type = type;
  node->at = static_cast<uint32_t>(at);
  return node;
}

template <class... Items>
ExprPtr make(Expr::Type type, size_t at, Items... items) {
  ExprPtr node = make(type, at);
  (node->items.push_back(std::move(items)), ...);
  return node;
}

ExprPtr constant(Value value, size_t at) {
  ExprPtr node = make(Expr::Type::kConst, at);
  node->value = std::move(value);
  return node;
}

bool is_sum(Tok type, Op& op) {
  if (type == Tok::kAdd) return op = Op::kAdd, true;
  if (type == Tok::kSub) return op = Op::kSub, true;
  return false;
}

bool is_product(Tok type, Op& op) {
  if (type == Tok::kMul) return op = Op::kMul, true;
  if (type == Tok::kDiv) return op = Op::kDiv, true;
  if (type == Tok::kFloorDiv) return op = Op::kFloorDiv, true;
  if (type == Tok::kMod) return op = Op::kMod, true;
  return false;
}

bool is_comparison(Tok type, Op& op) {
  switch (type) {
    case Tok::kEq: op = Op::kEq; return true;
    case Tok::kNe: op = Op::kNe; return true;
    case Tok::kLt: op = Op::kLt; return true;
    case Tok::kLe: op = Op::kLe; return true;
    case Tok::kGt: op = Op::kGt; return true;
    case Tok::kGe: op = Op::kGe; return true;
    default: return false;
  }
}

bool assignable(const Expr& node) {
  if (node.type == Expr::Type::kName || node.type == Expr::Type::kNsRef) return true;
  return node.type == Expr::Type::kTuple &&
         std::all_of(node.items.begin(), node.items.end(),
                     [](const ExprPtr& item) { return assignable(*item); });
}

}  // namespace

Result<ExprPtr> ExprParser::finish(ExprPtr node) const {
  int height = 0;
  const auto add = [&](const ExprPtr& child) {
    if (child) height = std::max(height, child->height);
  };
  for (const ExprPtr& item : node->items) add(item);
  if (node->args) {
    for (const ExprPtr& item : node->args->positional) add(item);
    for (const auto& item : node->args->named) add(item.second);
    add(node->args->star);
    add(node->args->star_star);
  }
  node->height = height + 1;
  if (node->height > kMaxHeight) {
    return s_.error("the expression is nested too deeply (" + std::to_string(node->height) +
                        ", limit " + std::to_string(kMaxHeight) + ")", node->at);
  }
  return node;
}

Result<ExprPtr> ExprParser::expression(bool with_cond) {
  TokenStream::Nest nest(s_);
  OCELLI_TRY(nest.check());
  OCELLI_ASSIGN(ExprPtr node, logic(Expr::Type::kOr, "or"));
  while (with_cond && s_.is_name("if")) {
    const size_t at = s_.next().at;
    OCELLI_ASSIGN(ExprPtr test, logic(Expr::Type::kOr, "or"));
    ExprPtr otherwise;
    if (s_.skip_name("else")) {
      OCELLI_ASSIGN(otherwise, expression());
    }
    OCELLI_ASSIGN(node, finish(make(Expr::Type::kCond, at, std::move(node), std::move(test),
                                    std::move(otherwise))));
  }
  return node;
}

bool ExprParser::tuple_ends(std::string_view end_name) const {
  return s_.is(Tok::kVariableEnd) || s_.is(Tok::kBlockEnd) || s_.is(Tok::kRParen) ||
         (!end_name.empty() && s_.is_name(end_name));
}

Result<ExprPtr> ExprParser::tuple(bool with_cond, std::string_view end_name, bool parentheses) {
  ExprPtr all = make(Expr::Type::kTuple, s_.current().at);
  bool is_tuple = false;
  while (!tuple_ends(end_name)) {
    OCELLI_ASSIGN(ExprPtr item, expression(with_cond));
    all->items.push_back(std::move(item));
    if (!s_.skip(Tok::kComma)) break;
    is_tuple = true;
  }
  if (!is_tuple && !all->items.empty()) return std::move(all->items[0]);
  if (!is_tuple && !parentheses) return s_.unexpected("an expression");
  return finish(std::move(all));
}

Result<ExprPtr> ExprParser::target(bool with_namespace, std::string_view end_name) {
  ExprPtr all = make(Expr::Type::kTuple, s_.current().at);
  bool is_tuple = false;
  while (!tuple_ends(end_name)) {
    ExprPtr item;
    if (with_namespace && s_.is(Tok::kName) && s_.look().type == Tok::kDot) {
      item = make(Expr::Type::kNsRef, s_.current().at);
      item->name = s_.next().text;
      s_.next();
      OCELLI_ASSIGN(std::string attribute, s_.identifier("an attribute"));
      item->value = Value::string(std::move(attribute));
    } else {
      OCELLI_ASSIGN(item, primary());
    }
    if (!assignable(*item)) return s_.error("cannot assign to this", item->at);
    all->items.push_back(std::move(item));
    if (!s_.skip(Tok::kComma)) break;
    is_tuple = true;
  }
  if (all->items.empty()) return s_.unexpected("a name");
  if (!is_tuple) return std::move(all->items[0]);
  return finish(std::move(all));
}

Result<ExprPtr> ExprParser::name_target() {
  const size_t at = s_.current().at;
  OCELLI_ASSIGN(std::string name, s_.identifier("a name"));
  for (const char* word : {"true", "false", "none", "True", "False", "None"}) {
    if (name == word) return s_.error("cannot assign to " + name, at);
  }
  ExprPtr node = make(Expr::Type::kName, at);
  node->name = std::move(name);
  return node;
}

Result<ExprPtr> ExprParser::logic(Expr::Type type, std::string_view word) {
  const size_t at = s_.current().at;
  const bool is_or = type == Expr::Type::kOr;
  OCELLI_ASSIGN(ExprPtr first, is_or ? logic(Expr::Type::kAnd, "and") : negation());
  if (!s_.is_name(word)) return first;
  ExprPtr node = make(type, at, std::move(first));
  while (s_.skip_name(word)) {
    OCELLI_ASSIGN(ExprPtr next, is_or ? logic(Expr::Type::kAnd, "and") : negation());
    node->items.push_back(std::move(next));
  }
  return finish(std::move(node));
}

Result<ExprPtr> ExprParser::negation() {
  if (!s_.is_name("not")) return comparison();
  TokenStream::Nest nest(s_);
  OCELLI_TRY(nest.check());
  const size_t at = s_.next().at;
  OCELLI_ASSIGN(ExprPtr node, negation());
  return finish(make(Expr::Type::kNot, at, std::move(node)));
}

Result<ExprPtr> ExprParser::comparison() {
  const size_t at = s_.current().at;
  OCELLI_ASSIGN(ExprPtr first, sum());
  ExprPtr node = make(Expr::Type::kCompare, at, std::move(first));
  while (true) {
    Op op = Op::kIn;
    if (is_comparison(s_.current().type, op) || s_.is_name("in")) {
      s_.next();
    } else if (s_.is_name("not") && s_.look().type == Tok::kName && s_.look().text == "in") {
      s_.next();
      s_.next();
      op = Op::kNotIn;
    } else {
      break;
    }
    OCELLI_ASSIGN(ExprPtr next, sum());
    node->items.push_back(std::move(next));
    node->ops.push_back(op);
  }
  if (node->ops.empty()) return std::move(node->items[0]);
  return finish(std::move(node));
}

Result<ExprPtr> ExprParser::binary_chain(Expr::Type type, Result<ExprPtr> (ExprParser::*operand)(),
                                         bool (*is_operator)(Tok, Op&)) {
  const size_t at = s_.current().at;
  OCELLI_ASSIGN(ExprPtr first, (this->*operand)());
  Op op = Op::kAdd;
  if (!is_operator(s_.current().type, op)) return first;
  ExprPtr node = make(type, at, std::move(first));
  while (is_operator(s_.current().type, op)) {
    s_.next();
    OCELLI_ASSIGN(ExprPtr next, (this->*operand)());
    node->items.push_back(std::move(next));
    node->ops.push_back(op);
  }
  return finish(std::move(node));
}

Result<ExprPtr> ExprParser::sum() {
  return binary_chain(Expr::Type::kMath, &ExprParser::concat, is_sum);
}

Result<ExprPtr> ExprParser::concat() {
  const size_t at = s_.current().at;
  OCELLI_ASSIGN(ExprPtr first, product());
  if (!s_.is(Tok::kTilde)) return first;
  ExprPtr node = make(Expr::Type::kConcat, at, std::move(first));
  while (s_.skip(Tok::kTilde)) {
    OCELLI_ASSIGN(ExprPtr next, product());
    node->items.push_back(std::move(next));
  }
  return finish(std::move(node));
}

Result<ExprPtr> ExprParser::product() {
  return binary_chain(Expr::Type::kMath, &ExprParser::power, is_product);
}

// a ** b ** c is (a ** b) ** c in Jinja2.
Result<ExprPtr> ExprParser::power() {
  OCELLI_ASSIGN(ExprPtr node, unary());
  while (s_.is(Tok::kPow)) {
    const size_t at = s_.next().at;
    OCELLI_ASSIGN(ExprPtr exponent, unary());
    OCELLI_ASSIGN(node, finish(make(Expr::Type::kPow, at, std::move(node), std::move(exponent))));
  }
  return node;
}

Result<ExprPtr> ExprParser::unary(bool with_filter) {
  ExprPtr node;
  if (s_.is(Tok::kSub) || s_.is(Tok::kAdd)) {
    TokenStream::Nest nest(s_);
    OCELLI_TRY(nest.check());
    const Expr::Type type = s_.is(Tok::kSub) ? Expr::Type::kNeg : Expr::Type::kPos;
    const size_t at = s_.next().at;
    OCELLI_ASSIGN(ExprPtr operand, unary(false));
    OCELLI_ASSIGN(node, finish(make(type, at, std::move(operand))));
  } else {
    OCELLI_ASSIGN(node, primary());
  }
  OCELLI_ASSIGN(node, postfix(std::move(node)));
  if (with_filter) {
    OCELLI_ASSIGN(node, filters_and_tests(std::move(node)));
  }
  return node;
}

Result<ExprPtr> ExprParser::primary() {
  const size_t at = s_.current().at;
  switch (s_.current().type) {
    case Tok::kName: return name_or_constant();
    case Tok::kString: {
      std::string text;
      while (s_.is(Tok::kString)) text += s_.next().text;
      return constant(Value::string(std::move(text)), at);
    }
    case Tok::kInteger: return constant(Value::integer(s_.next().integer), at);
    case Tok::kFloat: return constant(Value::real(s_.next().real), at);
    case Tok::kLParen: {
      s_.next();
      OCELLI_ASSIGN(ExprPtr node, tuple(true, {}, true));
      OCELLI_TRY(s_.expect(Tok::kRParen, "\")\""));
      return node;
    }
    case Tok::kLBracket: return list();
    case Tok::kLBrace: return dict();
    default: return s_.unexpected("an expression");
  }
}

Result<ExprPtr> ExprParser::name_or_constant() {
  const Token& token = s_.next();
  const std::string& name = token.text;
  if (name == "true" || name == "True") return constant(Value::boolean(true), token.at);
  if (name == "false" || name == "False") return constant(Value::boolean(false), token.at);
  if (name == "none" || name == "None") return constant(Value::none(), token.at);
  ExprPtr node = make(Expr::Type::kName, token.at);
  node->name = name;
  return node;
}

Result<ExprPtr> ExprParser::list() {
  ExprPtr node = make(Expr::Type::kList, s_.next().at);
  while (!s_.is(Tok::kRBracket)) {
    OCELLI_ASSIGN(ExprPtr item, expression());
    node->items.push_back(std::move(item));
    if (!s_.skip(Tok::kComma)) break;
  }
  OCELLI_TRY(s_.expect(Tok::kRBracket, "\"]\""));
  return finish(std::move(node));
}

Result<ExprPtr> ExprParser::dict() {
  ExprPtr node = make(Expr::Type::kDict, s_.next().at);
  while (!s_.is(Tok::kRBrace)) {
    OCELLI_ASSIGN(ExprPtr key, expression());
    OCELLI_TRY(s_.expect(Tok::kColon, "\":\""));
    OCELLI_ASSIGN(ExprPtr value, expression());
    node->items.push_back(std::move(key));
    node->items.push_back(std::move(value));
    if (!s_.skip(Tok::kComma)) break;
  }
  OCELLI_TRY(s_.expect(Tok::kRBrace, "\"}\""));
  return finish(std::move(node));
}

Result<ExprPtr> ExprParser::postfix(ExprPtr node) {
  while (true) {
    if (s_.is(Tok::kDot)) {
      OCELLI_ASSIGN(node, attribute(std::move(node)));
    } else if (s_.is(Tok::kLBracket)) {
      OCELLI_ASSIGN(node, subscript(std::move(node)));
    } else if (s_.is(Tok::kLParen)) {
      OCELLI_ASSIGN(node, call(std::move(node)));
    } else {
      return node;
    }
  }
}

Result<ExprPtr> ExprParser::filters_and_tests(ExprPtr node) {
  while (true) {
    if (s_.is(Tok::kPipe)) {
      OCELLI_ASSIGN(node, filter(std::move(node), false));
    } else if (s_.is_name("is")) {
      OCELLI_ASSIGN(node, test(std::move(node)));
    } else if (s_.is(Tok::kLParen)) {
      OCELLI_ASSIGN(node, call(std::move(node)));
    } else {
      return node;
    }
  }
}

Result<ExprPtr> ExprParser::attribute(ExprPtr node) {
  const size_t at = s_.next().at;
  if (s_.is(Tok::kInteger)) {
    ExprPtr index = constant(Value::integer(s_.current().integer), s_.current().at);
    s_.next();
    return finish(make(Expr::Type::kGetItem, at, std::move(node), std::move(index)));
  }
  OCELLI_ASSIGN(std::string name, s_.identifier("a name or number"));
  ExprPtr get = make(Expr::Type::kGetAttr, at, std::move(node));
  get->name = std::move(name);
  return finish(std::move(get));
}

Result<ExprPtr> ExprParser::subscript(ExprPtr node) {
  const size_t at = s_.next().at;
  std::vector<ExprPtr> parts, slice;
  while (!s_.is(Tok::kRBracket)) {
    if (!parts.empty() || !slice.empty()) OCELLI_TRY(s_.expect(Tok::kComma, "\",\""));
    OCELLI_ASSIGN(ExprPtr part, subscript_part(slice));
    if (part) parts.push_back(std::move(part));
    if (!slice.empty() && (!parts.empty() || !s_.is(Tok::kRBracket))) {
      return s_.error("several slices at once are not supported", at);
    }
  }
  s_.next();
  if (!slice.empty()) {
    ExprPtr get = make(Expr::Type::kSlice, at, std::move(node));
    for (ExprPtr& part : slice) get->items.push_back(std::move(part));
    return finish(std::move(get));
  }
  if (parts.size() == 1) {
    return finish(make(Expr::Type::kGetItem, at, std::move(node), std::move(parts[0])));
  }
  ExprPtr key = make(Expr::Type::kTuple, at);
  key->items = std::move(parts);
  OCELLI_ASSIGN(key, finish(std::move(key)));
  return finish(make(Expr::Type::kGetItem, at, std::move(node), std::move(key)));
}

// One part between brackets: an expression, or (null is returned) start, stop and step in `slice`.
Result<ExprPtr> ExprParser::subscript_part(std::vector<ExprPtr>& slice) {
  ExprPtr start, stop, step;
  if (!s_.is(Tok::kColon)) {
    OCELLI_ASSIGN(start, expression());
    if (!s_.is(Tok::kColon)) return start;
  }
  s_.next();
  const auto ends = [&] { return s_.is(Tok::kRBracket) || s_.is(Tok::kComma); };
  if (!s_.is(Tok::kColon) && !ends()) {
    OCELLI_ASSIGN(stop, expression());
  }
  if (s_.skip(Tok::kColon) && !ends()) {
    OCELLI_ASSIGN(step, expression());
  }
  slice.push_back(std::move(start));
  slice.push_back(std::move(stop));
  slice.push_back(std::move(step));
  return ExprPtr();
}

Result<ExprPtr> ExprParser::call(ExprPtr node) {
  ExprPtr call = make(Expr::Type::kCall, s_.current().at, std::move(node));
  OCELLI_ASSIGN(call->args, call_args());
  return finish(std::move(call));
}

Result<std::unique_ptr<CallArgs>> ExprParser::call_args() {
  OCELLI_TRY(s_.expect(Tok::kLParen, "\"(\""));
  auto args = std::make_unique<CallArgs>();
  while (!s_.is(Tok::kRParen)) {
    OCELLI_TRY(call_arg(*args));
    if (!s_.skip(Tok::kComma)) break;
  }
  OCELLI_TRY(s_.expect(Tok::kRParen, "\")\""));
  return args;
}

Status ExprParser::call_arg(CallArgs& args) {
  const size_t at = s_.current().at;
  bool good = true;
  if (s_.skip(Tok::kMul)) {
    good = !args.star && !args.star_star;
    OCELLI_ASSIGN(args.star, expression());
  } else if (s_.skip(Tok::kPow)) {
    good = !args.star_star;
    OCELLI_ASSIGN(args.star_star, expression());
  } else if (s_.is(Tok::kName) && s_.look().type == Tok::kAssign) {
    good = !args.star_star;
    std::string name = s_.next().text;
    s_.next();
    for (const auto& named : args.named) good = good && named.first != name;
    OCELLI_ASSIGN(ExprPtr value, expression());
    args.named.emplace_back(std::move(name), std::move(value));
  } else {
    good = !args.star && !args.star_star && args.named.empty();
    OCELLI_ASSIGN(ExprPtr value, expression());
    args.positional.push_back(std::move(value));
  }
  if (!good) return s_.error("the arguments of the call are out of order or repeated", at);
  return {};
}

Result<std::string> ExprParser::dotted_name() {
  OCELLI_ASSIGN(std::string name, s_.identifier("a name"));
  while (s_.skip(Tok::kDot)) {
    OCELLI_ASSIGN(const std::string part, s_.identifier("a name"));
    name += "." + part;
  }
  return name;
}

Result<ExprPtr> ExprParser::filter(ExprPtr node, bool start_inline) {
  while (start_inline || s_.is(Tok::kPipe)) {
    if (!start_inline) s_.next();
    start_inline = false;
    ExprPtr filter = make(Expr::Type::kFilter, s_.current().at);
    if (node) filter->items.push_back(std::move(node));
    OCELLI_ASSIGN(filter->name, dotted_name());
    if (s_.is(Tok::kLParen)) {
      OCELLI_ASSIGN(filter->args, call_args());
    }
    OCELLI_ASSIGN(node, finish(std::move(filter)));
  }
  return node;
}

Result<ExprPtr> ExprParser::test(ExprPtr node) {
  const size_t at = s_.next().at;
  const bool negated = s_.skip_name("not");
  ExprPtr test = make(Expr::Type::kTest, at, std::move(node));
  OCELLI_ASSIGN(test->name, dotted_name());
  const Tok type = s_.current().type;
  const bool starts = type == Tok::kName || type == Tok::kString || type == Tok::kInteger ||
                      type == Tok::kFloat || type == Tok::kLBracket || type == Tok::kLBrace;
  if (type == Tok::kLParen) {
    OCELLI_ASSIGN(test->args, call_args());
  } else if (starts && !s_.is_name("else") && !s_.is_name("or") && !s_.is_name("and")) {
    if (s_.is_name("is")) return s_.error("tests cannot be chained with \"is\"", s_.current().at);
    OCELLI_ASSIGN(ExprPtr arg, primary());
    OCELLI_ASSIGN(arg, postfix(std::move(arg)));
    test->args = std::make_unique<CallArgs>();
    test->args->positional.push_back(std::move(arg));
  }
  OCELLI_ASSIGN(test, finish(std::move(test)));
  if (!negated) return test;
  return finish(make(Expr::Type::kNot, at, std::move(test)));
}

}  // namespace ocelli::text::jinja
