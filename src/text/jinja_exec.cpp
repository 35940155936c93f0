// Statements: scopes, loops, macros, output.
#include <algorithm>

#include "text/jinja_filters.h"
#include "text/jinja_interp.h"

namespace ocelli::text::jinja {
namespace {

class DepthGuard {
 public:
  explicit DepthGuard(int& depth) : depth_(++depth) {}
  ~DepthGuard() { --depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

 private:
  int& depth_;
};

}  // namespace

// Sends output to a string of its own while it lives.
class Interpreter::Capture {
 public:
  explicit Capture(Interpreter& owner) : owner_(owner), saved_(owner.out_) { owner.out_ = &text_; }
  ~Capture() { owner_.out_ = saved_; }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  std::string take() { return std::move(text_); }

 private:
  Interpreter& owner_;
  std::string* saved_;
  std::string text_;
};

// A scope that is current while it lives.
class Interpreter::Entered {
 public:
  Entered(Interpreter& owner, const Frame& frame, Scope* parent)
      : owner_(owner), saved_(owner.scope_), scope_(owner.enter(frame, parent)) {
    owner.scope_ = scope_;
  }
  ~Entered() {
    owner_.scope_ = saved_;
    owner_.leave(scope_);
  }
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;
  Scope& scope() { return *scope_; }

 private:
  Interpreter& owner_;
  Scope* saved_;
  Scope* scope_;
};

// A turn of a loop: what is written meanwhile is of its item, where that is a message. Messages are
// known by identity, so that slices, filters and namespaces on the way make no difference.
class Interpreter::Turn {
 public:
  Turn(Interpreter& owner, const Value& item) : owner_(owner), saved_(owner.message_) {
    const auto found = owner.message_of_.find(item.identity());
    if (found != owner.message_of_.end()) owner.message_ = found->second;
  }
  ~Turn() { owner_.message_ = saved_; }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Interpreter& owner_;
  int saved_;
};

Interpreter::Interpreter(const std::string& source, const Parsed& parsed, Variables variables,
                         int64_t now)
    : source_(source), parsed_(parsed), variables_(std::move(variables)), now_(now) {
  const auto messages = variables_.find("messages");
  if (messages == variables_.end() || !messages->second.is_sequence()) return;
  const std::vector<Value>& items = messages->second.items();
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].is(Kind::kDict)) message_of_.emplace(items[i].identity(), int(i));
  }
}

// Namespaces and scopes may hold each other in circles; emptying them frees everything.
Interpreter::~Interpreter() {
  for (const auto& box : namespaces_) box->members = DictBox();
  for (const auto& scope : scopes_) scope->slots.clear();
}

Error Interpreter::located(Error error, size_t at) const {
  if (error.where.empty()) error.where = place_of(source_, at);
  return error;
}

Status Interpreter::run() {
  Entered root(*this, parsed_.frame, nullptr);
  const Result<Flow> flow = block(parsed_.body);
  return flow.ok() ? Status() : Status(flow.error());
}

Scope* Interpreter::enter(const Frame& frame, Scope* parent) {
  Scope* scope = nullptr;
  if (free_scopes_.empty()) {
    scope = scopes_.emplace_back(std::make_unique<Scope>()).get();
  } else {
    scope = free_scopes_.back();
    free_scopes_.pop_back();
  }
  scope->parent = parent;
  scope->slots.resize(frame.entries.size());
  for (size_t i = 0; i < frame.entries.size(); ++i) {
    const Frame::Entry& entry = frame.entries[i];
    if (entry.load == Frame::Load::kContext) {
      const auto it = variables_.find(entry.name);
      if (it != variables_.end()) {
        scope->slots[i] = it->second;
      } else if (const Value* global = find_global(entry.name)) {
        scope->slots[i] = *global;
      }
    } else if (entry.load == Frame::Load::kOuter) {
      const Scope* outer = parent;  // entry.outer is counted from the parent
      for (int hop = 0; hop < entry.outer.hops; ++hop) outer = outer->parent;
      scope->slots[i] = outer->slots[static_cast<size_t>(entry.outer.index)];
    }
  }
  return scope;
}

void Interpreter::leave(Scope* scope) {
  if (scope->captured) return;
  scope->slots.clear();
  free_scopes_.push_back(scope);
}

Value& Interpreter::at(Slot slot) {
  Scope* scope = scope_;
  for (int hop = 0; hop < slot.hops; ++hop) scope = scope->parent;
  return scope->slots[static_cast<size_t>(slot.index)];
}

Status Interpreter::emit(std::string_view text) {
  if (!meter_.spend_bytes(text.size())) return Meter::error();
  if (out_->size() + text.size() > kMaxOutputBytes) {
    return fail(Code::kBadInput, "the text is too large (over " +
                                     std::to_string(kMaxOutputBytes) + " bytes, limit " +
                                     std::to_string(kMaxOutputBytes) + ")");
  }
  const size_t before = out_->size();
  out_->append(text);
  wrote(before);
  return {};
}

// Notes whose the output behind `before` is. What a block captures counts once it is printed.
void Interpreter::wrote(size_t before) {
  if (message_ < 0 || out_ != &output_ || output_.size() == before) return;
  if (!message_bytes_.empty() && message_bytes_.back().message == message_ &&
      message_bytes_.back().end == before) {
    message_bytes_.back().end = output_.size();
  } else {
    message_bytes_.push_back({before, output_.size(), message_});
  }
}

Status Interpreter::print(const Value& value) {
  if (value.is_string()) return emit(value.str());
  const size_t before = out_->size();
  OCELLI_TRY(append_str(*out_, value, meter_));
  wrote(before);
  return {};
}

Result<Interpreter::Flow> Interpreter::block(const Block& body) {
  for (const StatementPtr& node : body) {
    OCELLI_ASSIGN(const Flow flow, statement(*node));
    if (flow != Flow::kOn) return flow;
  }
  return Flow::kOn;
}

Result<Interpreter::Flow> Interpreter::statement(const Statement& node) {
  if (!meter_.spend(1)) return located(Meter::error(), node.at);
  const DepthGuard guard(depth_);
  if (depth_ > kMaxEvalDepth) {
    return located(fail(Code::kBadInput, "the template recurses too deeply (limit " +
                                             std::to_string(kMaxEvalDepth) + ")"), node.at);
  }
  Result<Flow> flow = run_statement(node);
  if (!flow.ok()) return located(std::move(flow).error(), node.at);
  return flow;
}

Result<Interpreter::Flow> Interpreter::run_statement(const Statement& node) {
  switch (node.type) {
    case Statement::Type::kData: OCELLI_TRY(emit(node.text)); return Flow::kOn;
    case Statement::Type::kPrint: {
      OCELLI_ASSIGN(const Value value, eval(*node.expr));
      OCELLI_TRY(print(value));
      return Flow::kOn;
    }
    case Statement::Type::kSet: return set(node);
    case Statement::Type::kSetBlock: return set_block(node);
    case Statement::Type::kIf: return if_(node);
    case Statement::Type::kFor: return for_(node);
    case Statement::Type::kMacro: at(node.slot) = define_macro(node); return Flow::kOn;
    case Statement::Type::kCallBlock: OCELLI_TRY(call_block(node)); return Flow::kOn;
    case Statement::Type::kFilterBlock: return filter_block(node);
    case Statement::Type::kWith: return with(node);
    case Statement::Type::kGeneration: OCELLI_TRY(generation(node)); return Flow::kOn;
    case Statement::Type::kBreak: return Flow::kBreak;
    case Statement::Type::kContinue: return Flow::kContinue;
  }
  return Flow::kOn;
}

Result<Interpreter::Flow> Interpreter::if_(const Statement& node) {
  for (const Statement::Branch& branch : node.branches) {
    OCELLI_ASSIGN(const Value test, eval(*branch.test));
    if (test.truthy()) return block(branch.body);
  }
  return block(node.otherwise);
}

Result<Interpreter::Flow> Interpreter::for_(const Statement& node) {
  OCELLI_ASSIGN(const Value iterable, eval(*node.expr));
  Flow outcome = Flow::kOn;
  if (!node.recursive) {
    OCELLI_TRY(loop(node, iterable, scope_, 0, outcome));
    return outcome;
  }
  std::string text;
  {
    Capture capture(*this);
    OCELLI_TRY(loop(node, iterable, scope_, 0, outcome));
    text = capture.take();
  }
  OCELLI_TRY(emit(text));
  return Flow::kOn;
}

Status Interpreter::loop(const Statement& node, const Value& iterable, Scope* scope,
                         int64_t depth0, Flow& outcome) {
  auto state = std::make_shared<LoopState>();
  state->node = &node;
  state->scope = scope;
  state->depth0 = depth0;
  OCELLI_ASSIGN(state->source, Iteration::over(iterable));
  if (!node.test) state->known_length = length_of(iterable);
  // What the loop holds may hold the loop: empty it however this function ends.
  struct Clear {
    LoopState& state;
    ~Clear() {
      state.source = Iteration();
      state.before = state.current = Value();
      state.ahead.clear();
      state.last_changed.clear();
      state.drained = true;
    }
  } clear{*state};
  // Jinja2 takes the else unless one turn came to its end: break and continue do not count.
  bool any = false;
  while (true) {
    Value item;
    if (state->ahead.empty()) {
      OCELLI_ASSIGN(item, loop_next(*state));
    } else {
      item = std::move(state->ahead.front());
      state->ahead.pop_front();
    }
    if (item.missing()) break;
    ++state->index0;
    state->before = std::move(state->current);
    state->current = item;
    const Turn turn(*this, item);
    Entered body(*this, node.frame, scope);
    if (node.loop_slot >= 0) {
      body.scope().slots[static_cast<size_t>(node.loop_slot)] = Value::box(Kind::kLoop, state);
    }
    OCELLI_TRY(assign(*node.target, item));
    OCELLI_ASSIGN(const Flow flow, block(node.body));
    if (flow == Flow::kBreak) break;
    any = any || flow == Flow::kOn;
  }
  if (any || node.otherwise.empty()) return {};
  Entered otherwise(*this, node.otherwise_frame, scope);
  OCELLI_ASSIGN(outcome, block(node.otherwise));
  return {};
}

Result<bool> Interpreter::loop_test(const LoopState& loop, const Value& item) {
  if (!loop.node->test) return true;
  Entered entered(*this, loop.node->test_frame, loop.scope);
  OCELLI_TRY(assign(*loop.node->target, item, true));
  OCELLI_ASSIGN(const Value passes, eval(*loop.node->test));
  return passes.truthy();
}

Result<Value> Interpreter::loop_next(const LoopState& loop) {
  while (!loop.drained) {
    OCELLI_ASSIGN(Value item, loop.source.next(meter_));
    if (item.missing()) {
      loop.drained = true;
      break;
    }
    OCELLI_ASSIGN(const bool passes, loop_test(loop, item));
    if (passes) return item;
  }
  return Value();
}

Status Interpreter::loop_drain(const LoopState& loop) {
  while (true) {
    OCELLI_ASSIGN(Value item, loop_next(loop));
    if (item.missing()) return {};
    loop.ahead.push_back(std::move(item));
  }
}

Status Interpreter::check_namespaces(const Expr& target) {
  if (target.type == Expr::Type::kNsRef && !at(target.slot).is(Kind::kNamespace)) {
    return fail(Code::kBadInput, "cannot assign an attribute of \"" + target.name +
                                     "\", which is no namespace");
  }
  for (const ExprPtr& item : target.items) OCELLI_TRY(check_namespaces(*item));
  return {};
}

Status Interpreter::assign(const Expr& target, const Value& value, bool test) {
  if (target.type == Expr::Type::kName) {
    at(test ? target.test_slot : target.slot) = value;
    return {};
  }
  if (target.type == Expr::Type::kNsRef) {
    if (target.value.str().starts_with("_")) {
      return fail(Code::kBadInput, "a namespace cannot hold the attribute \"" +
                                       target.value.str() + "\" (it starts with \"_\")");
    }
    return at(target.slot).as<NamespaceBox>().members.set(target.value, value, meter_);
  }
  OCELLI_ASSIGN(Iteration items, Iteration::over(value));
  std::vector<Value> parts;
  while (parts.size() <= target.items.size()) {
    OCELLI_ASSIGN(Value part, items.next(meter_));
    if (part.missing()) break;
    parts.push_back(std::move(part));
  }
  if (parts.size() != target.items.size()) {
    return fail(Code::kBadInput, "cannot unpack: " + std::to_string(target.items.size()) +
                                     " values expected, " +
                                     (parts.size() > target.items.size() ? "more" : "fewer") +
                                     " found");
  }
  for (size_t i = 0; i < parts.size(); ++i) OCELLI_TRY(assign(*target.items[i], parts[i], test));
  return {};
}

Result<Interpreter::Flow> Interpreter::set(const Statement& node) {
  OCELLI_TRY(check_namespaces(*node.target));
  OCELLI_ASSIGN(const Value value, eval(*node.expr));
  OCELLI_TRY(assign(*node.target, value));
  return Flow::kOn;
}

Result<Interpreter::Flow> Interpreter::set_block(const Statement& node) {
  Value value;
  {
    Entered inner(*this, node.frame, scope_);
    Capture capture(*this);
    OCELLI_ASSIGN(const Flow flow, block(node.body));
    if (flow != Flow::kOn) return flow;
    OCELLI_ASSIGN(value, string(capture.take()));
    if (node.expr) {
      OCELLI_ASSIGN(value, filter(*node.expr, &value));
    }
  }
  OCELLI_TRY(check_namespaces(*node.target));
  OCELLI_TRY(assign(*node.target, value));
  return Flow::kOn;
}

Result<Interpreter::Flow> Interpreter::with(const Statement& node) {
  std::vector<Value> values;
  for (const ExprPtr& expr : node.defaults) {
    OCELLI_ASSIGN(Value value, eval(*expr));
    values.push_back(std::move(value));
  }
  Entered inner(*this, node.frame, scope_);
  for (size_t i = 0; i < values.size(); ++i) OCELLI_TRY(assign(*node.params[i], values[i]));
  return block(node.body);
}

Result<Interpreter::Flow> Interpreter::filter_block(const Statement& node) {
  Entered inner(*this, node.frame, scope_);
  Value value;
  {
    Capture capture(*this);
    OCELLI_ASSIGN(const Flow flow, block(node.body));
    if (flow != Flow::kOn) return flow;
    OCELLI_ASSIGN(value, string(capture.take()));
  }
  OCELLI_ASSIGN(value, filter(*node.expr, &value));
  OCELLI_TRY(print(value));
  return Flow::kOn;
}

Value Interpreter::define_macro(const Statement& node) {
  for (Scope* scope = scope_; scope != nullptr && !scope->captured; scope = scope->parent) {
    scope->captured = true;
  }
  auto box = std::make_shared<MacroBox>();
  box->node = &node;
  box->scope = scope_;
  return Value::box(Kind::kMacro, std::move(box));
}

Status Interpreter::call_block(const Statement& node) {
  OCELLI_ASSIGN(const Value callee, eval(*node.expr->items[0]));
  OCELLI_ASSIGN(Args args, arguments(node.expr->args.get()));
  args.named.emplace_back("caller", define_macro(node));
  Result<Value> value = call(callee, std::move(args));
  if (!value.ok()) return located(std::move(value).error(), node.expr->at);
  return print(*value);
}

Status Interpreter::generation(const Statement& node) {
  Result<Value> value = call_macro(node, scope_, {});
  if (!value.ok()) return std::move(value).error();
  // Counted from the end of the main output even inside a captured block, as transformers does.
  const size_t begin = output_.size();
  generation_.push_back({begin, begin + value->str().size()});
  return emit(value->str());
}

Status Interpreter::bind_macro(const Statement& node, Scope& scope, Args& args) {
  const size_t count = node.params.size();
  for (size_t i = 0; i < count && i < args.positional.size(); ++i) {
    scope.slots[static_cast<size_t>(node.params[i]->slot.index)] = args.positional[i];
  }
  std::vector<std::pair<std::string, Value>> rest;
  Value caller;
  for (auto& [name, value] : args.named) {
    size_t i = std::min(count, args.positional.size());
    while (i < count && node.params[i]->name != name) ++i;
    if (i < count) {
      scope.slots[static_cast<size_t>(node.params[i]->slot.index)] = std::move(value);
    } else if (name == "caller" && node.takes_caller) {
      caller = std::move(value);
    } else {
      rest.emplace_back(name, std::move(value));
    }
  }
  if (node.takes_caller) {
    scope.slots[static_cast<size_t>(node.caller_slot)] =
        caller.missing() || caller.is_none() ? Value::undefined("no caller is defined") : caller;
  }
  const std::string who = "the macro \"" + node.text + "\"";
  if (node.takes_kwargs) {
    DictBox dict;
    for (auto& [name, value] : rest) {
      OCELLI_TRY(dict.set(Value::string(name), std::move(value), meter_));
    }
    OCELLI_ASSIGN(scope.slots[static_cast<size_t>(node.kwargs_slot)], make_dict(std::move(dict)));
  } else if (!rest.empty()) {
    return fail(Code::kBadInput, who + " takes no argument \"" + rest[0].first + "\"");
  }
  std::vector<Value> extra;
  for (size_t i = count; i < args.positional.size(); ++i) extra.push_back(args.positional[i]);
  if (node.takes_varargs) {
    OCELLI_ASSIGN(scope.slots[static_cast<size_t>(node.varargs_slot)],
                  make_tuple(std::move(extra)));
  } else if (!extra.empty()) {
    return fail(Code::kBadInput, who + " takes at most " + std::to_string(count) + " arguments (" +
                                     std::to_string(args.positional.size()) + ")");
  }
  return {};
}

Result<Value> Interpreter::call_macro(const Statement& node, Scope* closure, Args args) {
  const DepthGuard guard(call_depth_);
  if (call_depth_ > kMaxNesting) {
    return fail(Code::kBadInput, "macros call each other too deeply (" +
                                     std::to_string(call_depth_) + ", limit " +
                                     std::to_string(kMaxNesting) + ")");
  }
  Entered inner(*this, node.frame, closure);
  OCELLI_TRY(bind_macro(node, inner.scope(), args));
  const size_t first_default = node.params.size() - node.defaults.size();
  for (size_t i = 0; i < node.params.size(); ++i) {
    Value& slot = inner.scope().slots[static_cast<size_t>(node.params[i]->slot.index)];
    if (!slot.missing()) continue;
    if (i < first_default) {
      slot = Value::undefined("the argument \"" + node.params[i]->name + "\" was not given");
    } else {
      OCELLI_ASSIGN(slot, eval(*node.defaults[i - first_default]));
    }
  }
  Capture capture(*this);
  OCELLI_ASSIGN(const Flow flow, block(node.body));
  static_cast<void>(flow);  // break and continue cannot leave a macro
  return string(capture.take());
}

Result<Value> Interpreter::recurse(const LoopState& state, const Value& iterable) {
  if (!state.node->recursive) {
    return fail(Code::kBadInput, "a loop is called that is not marked \"recursive\"");
  }
  const DepthGuard guard(call_depth_);
  if (call_depth_ > kMaxNesting) {
    return fail(Code::kBadInput, "a loop recurses too deeply (" + std::to_string(call_depth_) +
                                     ", limit " + std::to_string(kMaxNesting) + ")");
  }
  Capture capture(*this);
  Flow outcome = Flow::kOn;
  OCELLI_TRY(loop(*state.node, iterable, state.scope, state.depth0 + 1, outcome));
  return string(capture.take());
}

Result<Value> Interpreter::run_native(Native native, const Value& self, const Args& args) {
  size_t bytes = self.is_string() ? self.str().size() : 0;
  for (const Value& arg : args.positional) bytes += arg.is_string() ? arg.str().size() : 0;
  for (const auto& arg : args.named) bytes += arg.second.is_string() ? arg.second.str().size() : 0;
  if (!meter_.spend_bytes(bytes)) return Meter::error();
  return native(*this, self, args);
}

Result<Value> Interpreter::call(const Value& callee, Args args) {
  switch (callee.kind()) {
    case Kind::kFunction: {
      const FunctionBox& function = callee.as<FunctionBox>();
      return run_native(function.call, function.self, args);
    }
    case Kind::kMacro: {
      const MacroBox& macro = callee.as<MacroBox>();
      return call_macro(*macro.node, macro.scope, std::move(args));
    }
    case Kind::kLoop:
      if (args.positional.size() != 1) {
        return fail(Code::kBadInput, "a recursive loop is called with one argument");
      }
      return recurse(callee.as<LoopState>(), args.positional[0]);
    case Kind::kJoiner: {
      const JoinerBox& joiner = callee.as<JoinerBox>();
      return std::exchange(joiner.used, true) ? string(joiner.separator) : string("");
    }
    case Kind::kUndefined: return undefined_error(callee);
    default:
      return fail(Code::kBadInput,
                  "a value of type " + std::string(type_name(callee)) + " cannot be called");
  }
}

Value Interpreter::make_namespace(DictBox members) {
  auto box = std::make_shared<NamespaceBox>();
  box->members = std::move(members);
  namespaces_.push_back(box);
  return Value::box(Kind::kNamespace, std::move(box));
}

Result<Value> Interpreter::string(std::string text, bool markup) {
  if (text.size() > kMaxOutputBytes) {
    return fail(Code::kBadInput, "a text is too large (" + std::to_string(text.size()) +
                                     " bytes, limit " + std::to_string(kMaxOutputBytes) + ")");
  }
  if (!meter_.spend_bytes(text.size())) return Meter::error();
  return Value::string(std::move(text), markup);
}

Result<std::string> Interpreter::str(const Value& value) {
  std::string out;
  OCELLI_TRY(append_str(out, value, meter_));
  return out;
}

Result<std::vector<Value>> Interpreter::list(const Value& value) {
  OCELLI_ASSIGN(Iteration iteration, Iteration::over(value));
  std::vector<Value> items;
  while (true) {
    OCELLI_ASSIGN(Value item, iteration.next(meter_));
    if (item.missing()) return items;
    items.push_back(std::move(item));
  }
}

}  // namespace ocelli::text::jinja
