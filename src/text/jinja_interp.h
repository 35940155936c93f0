// Renders a parsed template. One Interpreter renders once.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/jinja_iterate.h"
#include "text/jinja_parser.h"

namespace ocelli::text::jinja {

// One opened scope at run time. Owned by the interpreter, which uses it again after the scope is
// left, unless a macro defined inside may still look into it.
struct Scope {
  Scope* parent = nullptr;
  std::vector<Value> slots;
  bool captured = false;
};

// The state behind `loop`. Items come one by one, so that a loop's condition sees what its body
// did before.
struct LoopState : Box {
  const Statement* node = nullptr;
  Scope* scope = nullptr;  // around the loop
  mutable Iteration source;
  int64_t known_length = -1;  // of the source, where it has one and there is no condition
  int64_t depth0 = 0;
  mutable std::deque<Value> ahead;  // read before their turn, for loop.last and loop.length
  mutable bool drained = false;     // nothing is left but `ahead`
  mutable int64_t index0 = -1;
  mutable Value before, current;
  mutable std::vector<Value> last_changed;
  mutable bool ever_changed = false;
};

struct ByteSpan {
  size_t begin = 0, end = 0;
};

// Output that was written while an item of the variable "messages" was that of a loop.
struct MessageBytes {
  size_t begin = 0, end = 0;
  int message = 0;
};

class Interpreter {
 public:
  using Variables = std::unordered_map<std::string, Value>;

  // `now` is the time that strftime_now() gives (seconds since 1970, printed as local time).
  Interpreter(const std::string& source, const Parsed& parsed, Variables variables, int64_t now);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  Status run();
  std::string take_output() { return std::move(output_); }
  // Spans of the output that {% generation %} blocks wrote, in the order in which they ended.
  std::vector<ByteSpan> take_generation() { return std::move(generation_); }
  // In the order of the output. Output of several loops around it is the innermost one's.
  std::vector<MessageBytes> take_messages() { return std::move(message_bytes_); }

  // For filters, tests and functions.
  Meter& meter() { return meter_; }
  int64_t now() const { return now_; }
  Result<Value> string(std::string text, bool markup = false);  // within the limits
  Result<std::string> str(const Value& value);
  Result<std::vector<Value>> list(const Value& value);
  Result<Value> call(const Value& callee, Args args);
  // Calls a filter, test or method; the texts that it reads count as steps.
  Result<Value> run_native(Native native, const Value& self, const Args& args);
  Result<Value> attribute(const Value& object, const std::string& name);
  Result<Value> item(const Value& object, const Value& key);
  Result<Value> slice(const Value& object, const Value& start, const Value& stop,
                      const Value& step);
  Result<bool> contains(const Value& container, const Value& what);
  Result<Value> binary(Op op, const Value& a, const Value& b);
  Value make_namespace(DictBox members);
  Result<Value> loop_next(const LoopState& loop);  // kMissing at the end
  Status loop_drain(const LoopState& loop);

 private:
  enum class Flow : uint8_t { kOn, kBreak, kContinue };
  class Capture;
  class Entered;
  class Turn;

  // jinja_exec.cpp
  Error located(Error error, size_t at) const;
  Result<Flow> block(const Block& body);
  Result<Flow> statement(const Statement& node);
  Result<Flow> run_statement(const Statement& node);
  Result<Flow> if_(const Statement& node);
  Result<Flow> for_(const Statement& node);
  Status loop(const Statement& node, const Value& iterable, Scope* scope, int64_t depth0,
              Flow& outcome);
  Result<bool> loop_test(const LoopState& loop, const Value& item);
  Result<Flow> set(const Statement& node);
  Result<Flow> set_block(const Statement& node);
  Result<Flow> with(const Statement& node);
  Result<Flow> filter_block(const Statement& node);
  Status call_block(const Statement& node);
  Status generation(const Statement& node);
  Status print(const Value& value);
  Status emit(std::string_view text);
  void wrote(size_t before);
  Status assign(const Expr& target, const Value& value, bool test = false);
  Status check_namespaces(const Expr& target);
  Scope* enter(const Frame& frame, Scope* parent);
  void leave(Scope* scope);
  Value& at(Slot slot);
  Value define_macro(const Statement& node);
  Result<Value> call_macro(const Statement& node, Scope* closure, Args args);
  Status bind_macro(const Statement& node, Scope& scope, Args& args);
  Result<Value> recurse(const LoopState& loop, const Value& iterable);

  // jinja_eval.cpp
  Result<Value> eval(const Expr& node);
  Result<Value> eval_node(const Expr& node);
  Result<Value> name(const Expr& node);
  Result<Value> sequence(const Expr& node);
  Result<Value> dict(const Expr& node);
  Result<Value> math(const Expr& node);
  Result<Value> logic(const Expr& node);
  Result<Value> concat(const Expr& node);
  Result<Value> sign(const Expr& node);
  Result<Value> compare(const Expr& node);
  Result<bool> compare_one(Op op, const Value& a, const Value& b);
  Result<Value> slice_of(const Expr& node);
  Result<Value> cond(const Expr& node);
  Result<Value> filter(const Expr& node, const Value* captured);
  Result<Value> test(const Expr& node);
  Result<Args> arguments(const CallArgs* args);

  const std::string& source_;
  const Parsed& parsed_;
  Variables variables_;
  int64_t now_;
  Meter meter_;
  int depth_ = 0;       // of C++ recursion
  int call_depth_ = 0;  // of macros and recursive loops
  std::string output_;
  std::string* out_ = &output_;
  std::vector<ByteSpan> generation_;
  std::unordered_map<const Box*, int> message_of_;  // the items of "messages"
  int message_ = -1;                                // that is the item of the innermost loop
  std::vector<MessageBytes> message_bytes_;
  Scope* scope_ = nullptr;
  std::vector<std::unique_ptr<Scope>> scopes_;
  std::vector<Scope*> free_scopes_;
  std::vector<std::shared_ptr<NamespaceBox>> namespaces_;
};

}  // namespace ocelli::text::jinja
