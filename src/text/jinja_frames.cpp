#include "text/jinja_frames.h"

#include <unordered_map>

#include "text/jinja_filters.h"
#include "text/jinja_parser.h"

namespace ocelli::text::jinja {
namespace {

struct FrameScope {
  Frame* frame;
  FrameScope* parent;
  std::unordered_map<std::string, int> index;

  int define(const std::string& name, Frame::Load load, Slot outer = {}) {
    const int at = static_cast<int>(frame->entries.size());
    frame->entries.push_back({name, load, outer});
    index[name] = at;
    return at;
  }
  // Where the name lies, seen from here; index -1 where no scope has it.
  Slot find(const std::string& name) const {
    int hops = 0;
    for (const FrameScope* scope = this; scope != nullptr; scope = scope->parent, ++hops) {
      if (const auto it = scope->index.find(name); it != scope->index.end()) {
        return {hops, it->second};
      }
    }
    return {};
  }
};

// First pass over one scope: which names belong to it. Does not look into the scopes inside.
class Declarer {
 public:
  explicit Declarer(FrameScope& scope) : scope_(scope) {}

  void parameter(const std::string& name) {
    const auto it = scope_.index.find(name);
    if (it == scope_.index.end()) {
      scope_.define(name, Frame::Load::kParameter);
    } else {
      scope_.frame->entries[static_cast<size_t>(it->second)].load = Frame::Load::kParameter;
    }
  }
  void parameters(const Expr& target) {
    if (target.type == Expr::Type::kName) parameter(target.name);
    for (const ExprPtr& item : target.items) parameters(*item);
  }
  void expr(const ExprPtr& node) {
    if (!node) return;
    if (node->type == Expr::Type::kName) load(node->name);
    for (const ExprPtr& item : node->items) expr(item);
    if (!node->args) return;
    for (const ExprPtr& item : node->args->positional) expr(item);
    for (const auto& item : node->args->named) expr(item.second);
    expr(node->args->star);
    expr(node->args->star_star);
  }
  void block(const Block& body, bool branch = false) {
    for (const StatementPtr& node : body) statement(*node, branch);
  }

 private:
  void load(const std::string& name) {
    if (scope_.find(name).index < 0) scope_.define(name, Frame::Load::kContext);
  }
  // In a branch of an `if` the name may stay unassigned, and then is what it was outside.
  void store(const std::string& name, bool branch) {
    if (scope_.index.contains(name)) return;
    const Slot outer = scope_.parent == nullptr ? Slot{} : scope_.parent->find(name);
    if (outer.index >= 0) {
      scope_.define(name, Frame::Load::kOuter, outer);
    } else {
      scope_.define(name, branch ? Frame::Load::kContext : Frame::Load::kUnset);
    }
  }
  void target(const Expr& node, bool branch) {
    if (node.type == Expr::Type::kName) store(node.name, branch);
    if (node.type == Expr::Type::kNsRef) load(node.name);
    for (const ExprPtr& item : node.items) target(*item, branch);
  }
  void statement(const Statement& node, bool branch) {
    switch (node.type) {
      case Statement::Type::kSet:
        expr(node.expr);
        target(*node.target, branch);
        break;
      case Statement::Type::kSetBlock: target(*node.target, branch); break;
      case Statement::Type::kIf:
        for (const Statement::Branch& part : node.branches) {
          expr(part.test);
          block(part.body, true);
        }
        block(node.otherwise, true);
        break;
      case Statement::Type::kMacro: store(node.text, branch); break;
      case Statement::Type::kWith:
        for (const ExprPtr& value : node.defaults) expr(value);
        break;
      default: expr(node.expr);  // print, for, call and filter; the others have none
    }
  }

  FrameScope& scope_;
};

// How a body first mentions a name, in the order in which Jinja2 walks it.
enum class Mention { kNone, kRead, kWritten };

class MentionFinder {
 public:
  explicit MentionFinder(std::string_view name) : name_(name) {}

  Mention block(const Block& body) {
    for (const StatementPtr& node : body) {
      if (const Mention found = statement(*node); found != Mention::kNone) return found;
    }
    return Mention::kNone;
  }

 private:
  Mention expr(const ExprPtr& node, Mention what = Mention::kRead) {
    if (!node) return Mention::kNone;
    if (node->type == Expr::Type::kName && node->name == name_) return what;
    Mention found = all(node->items, what);
    if (found != Mention::kNone || !node->args) return found;
    found = all(node->args->positional, what);
    for (const auto& item : node->args->named) {
      if (found == Mention::kNone) found = expr(item.second);
    }
    if (found == Mention::kNone) found = expr(node->args->star);
    return found == Mention::kNone ? expr(node->args->star_star) : found;
  }
  Mention all(const std::vector<ExprPtr>& nodes, Mention what) {
    for (const ExprPtr& node : nodes) {
      if (const Mention found = expr(node, what); found != Mention::kNone) return found;
    }
    return Mention::kNone;
  }
  Mention statement(const Statement& node) {
    if (node.type == Statement::Type::kFilterBlock) {
      const Mention found = block(node.body);
      return found == Mention::kNone ? expr(node.expr) : found;
    }
    Mention found = expr(node.target, Mention::kWritten);
    const auto add = [&](Mention next) {
      if (found == Mention::kNone) found = next;
    };
    add(expr(node.expr));
    add(all(node.params, Mention::kWritten));
    add(all(node.defaults, Mention::kRead));
    for (const Statement::Branch& branch : node.branches) {
      add(expr(branch.test));
      add(block(branch.body));
    }
    add(block(node.body));
    add(block(node.otherwise));
    add(expr(node.test));
    return found;
  }

  std::string_view name_;
};

bool reads(const Block& body, std::string_view name) {
  return MentionFinder(name).block(body) == Mention::kRead;
}

// Second pass: gives every use of a name its slot, and opens the scopes inside.
class Resolver {
 public:
  explicit Resolver(const std::string& source) : source_(source) {}

  struct Place {
    bool soft = false;      // in an `if` of this scope: unknown filters are errors only when used
    bool in_loop = false;   // `break` is possible
    bool under_for = false; // somewhere below a loop: `loop` cannot be assigned
  };

  Status block(FrameScope& scope, Block& body, Place place) {
    for (const StatementPtr& node : body) OCELLI_TRY(statement(scope, *node, place));
    return {};
  }

 private:
  Error error(std::string what, size_t at) const {
    return fail(Code::kBadInput, std::move(what), place_of(source_, at));
  }

  static Slot slot_of(FrameScope& scope, const std::string& name) {
    const Slot slot = scope.find(name);
    return slot.index >= 0 ? slot : Slot{0, scope.define(name, Frame::Load::kContext)};
  }

  Status expr(FrameScope& scope, const ExprPtr& node, bool soft) {
    if (!node) return {};
    if (node->type == Expr::Type::kName) node->slot = slot_of(scope, node->name);
    if (!soft && node->type == Expr::Type::kFilter && find_filter(node->name) == nullptr) {
      return error("there is no filter \"" + node->name + "\"", node->at);
    }
    if (!soft && node->type == Expr::Type::kTest && find_test(node->name) == nullptr) {
      return error("there is no test \"" + node->name + "\"", node->at);
    }
    soft = soft || node->type == Expr::Type::kCond;
    for (const ExprPtr& item : node->items) OCELLI_TRY(expr(scope, item, soft));
    if (!node->args) return {};
    for (const ExprPtr& item : node->args->positional) OCELLI_TRY(expr(scope, item, soft));
    for (const auto& item : node->args->named) OCELLI_TRY(expr(scope, item.second, soft));
    OCELLI_TRY(expr(scope, node->args->star, soft));
    return expr(scope, node->args->star_star, soft);
  }

  Status target(FrameScope& scope, Expr& node, bool under_for, bool test = false) {
    if (node.type == Expr::Type::kName || node.type == Expr::Type::kNsRef) {
      if (under_for && node.type == Expr::Type::kName && node.name == "loop") {
        return error("cannot assign to \"loop\" inside a loop", node.at);
      }
      (test ? node.test_slot : node.slot) = slot_of(scope, node.name);
    }
    for (const ExprPtr& item : node.items) OCELLI_TRY(target(scope, *item, under_for, test));
    return {};
  }

  Status statement(FrameScope& scope, Statement& node, Place place) {
    switch (node.type) {
      case Statement::Type::kData: return {};
      case Statement::Type::kPrint: return expr(scope, node.expr, place.soft);
      case Statement::Type::kSet:
        OCELLI_TRY(expr(scope, node.expr, place.soft));
        return target(scope, *node.target, place.under_for);
      case Statement::Type::kSetBlock: return set_block(scope, node, place);
      case Statement::Type::kIf: return if_(scope, node, place);
      case Statement::Type::kFor: return for_(scope, node, place);
      case Statement::Type::kMacro:
        node.slot = slot_of(scope, node.text);
        return macro(scope, node, place);
      case Statement::Type::kCallBlock:
        OCELLI_TRY(expr(scope, node.expr, place.soft));
        return macro(scope, node, place);
      case Statement::Type::kGeneration: return macro(scope, node, place);
      case Statement::Type::kFilterBlock: return filter_block(scope, node, place);
      case Statement::Type::kWith: return with(scope, node, place);
      case Statement::Type::kBreak:
      case Statement::Type::kContinue:
        if (place.in_loop) return {};
        return error("break and continue need a loop around them", node.at);
    }
    return {};
  }

  Status set_block(FrameScope& scope, Statement& node, Place place) {
    OCELLI_TRY(target(scope, *node.target, place.under_for));
    FrameScope inner{&node.frame, &scope, {}};
    Declarer(inner).block(node.body);
    place.soft = false;
    OCELLI_TRY(expr(inner, node.expr, false));
    return block(inner, node.body, place);
  }

  Status if_(FrameScope& scope, Statement& node, Place place) {
    place.soft = true;
    for (Statement::Branch& branch : node.branches) {
      OCELLI_TRY(expr(scope, branch.test, true));
      OCELLI_TRY(block(scope, branch.body, place));
    }
    return block(scope, node.otherwise, place);
  }

  Status for_(FrameScope& scope, Statement& node, Place place) {
    OCELLI_TRY(expr(scope, node.expr, place.soft));
    FrameScope inner{&node.frame, &scope, {}};
    Declarer declare(inner);
    if (node.recursive || reads(node.body, "loop")) {
      declare.parameter("loop");
      node.loop_slot = 0;
    }
    declare.parameters(*node.target);
    declare.block(node.body);
    OCELLI_TRY(target(inner, *node.target, true));
    if (node.test) {
      FrameScope test{&node.test_frame, &scope, {}};
      Declarer tester(test);
      tester.parameters(*node.target);
      tester.expr(node.test);
      OCELLI_TRY(target(test, *node.target, true, true));
      OCELLI_TRY(expr(test, node.test, false));
    }
    OCELLI_TRY(block(inner, node.body, {false, true, true}));
    FrameScope otherwise{&node.otherwise_frame, &scope, {}};
    Declarer(otherwise).block(node.otherwise);
    return block(otherwise, node.otherwise, {false, place.in_loop && !node.recursive, true});
  }

  // Macros, call blocks and generation blocks.
  Status macro(FrameScope& scope, Statement& node, Place place) {
    FrameScope inner{&node.frame, &scope, {}};
    Declarer declare(inner);
    for (size_t i = 0; i < node.params.size(); ++i) {
      const std::string& name = node.params[i]->name;
      declare.parameter(name);
      if (name == "caller" && i + node.defaults.size() < node.params.size() &&
          reads(node.body, "caller")) {
        return error("the argument \"caller\" must be left out or have a default", node.at);
      }
    }
    const auto special = [&](const char* name, bool& takes, int& slot) {
      if (inner.index.contains(name) || !reads(node.body, name)) return;
      takes = true;
      declare.parameter(name);
      slot = inner.index[name];
    };
    special("caller", node.takes_caller, node.caller_slot);
    special("kwargs", node.takes_kwargs, node.kwargs_slot);
    special("varargs", node.takes_varargs, node.varargs_slot);
    for (const ExprPtr& value : node.defaults) declare.expr(value);
    declare.block(node.body);
    for (const ExprPtr& param : node.params) OCELLI_TRY(target(inner, *param, false));
    for (const ExprPtr& value : node.defaults) OCELLI_TRY(expr(inner, value, false));
    return block(inner, node.body, {false, false, place.under_for});
  }

  Status filter_block(FrameScope& scope, Statement& node, Place place) {
    FrameScope inner{&node.frame, &scope, {}};
    Declarer declare(inner);
    declare.block(node.body);
    declare.expr(node.expr);
    OCELLI_TRY(expr(inner, node.expr, false));
    place.soft = false;
    return block(inner, node.body, place);
  }

  Status with(FrameScope& scope, Statement& node, Place place) {
    for (const ExprPtr& value : node.defaults) OCELLI_TRY(expr(scope, value, place.soft));
    FrameScope inner{&node.frame, &scope, {}};
    Declarer declare(inner);
    for (const ExprPtr& name : node.params) declare.parameters(*name);
    declare.block(node.body);
    for (const ExprPtr& name : node.params) OCELLI_TRY(target(inner, *name, false));
    place.soft = false;
    return block(inner, node.body, place);
  }

  const std::string& source_;
};

}  // namespace

Status resolve_names(Parsed& parsed, const std::string& source) {
  FrameScope root{&parsed.frame, nullptr, {}};
  Declarer(root).block(parsed.body);
  return Resolver(source).block(root, parsed.body, {});
}

}  // namespace ocelli::text::jinja
