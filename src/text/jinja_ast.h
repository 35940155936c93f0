// The parsed template: statements that hold expressions.
//
// Names are resolved before rendering (jinja_frames.h): each use of a name says how many scopes up
// and in which slot its value lies.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "text/jinja_value.h"

namespace ocelli::text::jinja {

struct Expr;
struct Statement;
using ExprPtr = std::unique_ptr<Expr>;
using StatementPtr = std::unique_ptr<Statement>;
using Block = std::vector<StatementPtr>;

enum class Op : uint8_t {
  kAdd, kSub, kMul, kDiv, kFloorDiv, kMod, kPow, kEq, kNe, kLt, kLe, kGt, kGe, kIn, kNotIn
};

// Where the value of a name lies.
struct Slot {
  int hops = 0;    // scopes to go up
  int index = -1;  // in that scope
};

// Arguments of a call, filter or test.
struct CallArgs {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr star, star_star;  // *args, **kwargs
};

struct Expr {
  enum class Type : uint8_t {
    kConst,      // value
    kName,       // name
    kNsRef,      // name.attribute as the target of a set; attribute in `value`
    kList, kTuple,  // items
    kDict,       // items: key, value, key, value, ...
    kMath,       // items, with ops between them, from left to right
    kPow,        // items[0] ** items[1]
    kAnd, kOr, kConcat,  // items
    kNot, kNeg, kPos,    // items[0]
    kCompare,    // items, with ops between them, chained
    kGetAttr,    // items[0].name
    kGetItem,    // items[0][items[1]]
    kSlice,      // items[0][items[1]:items[2]:items[3]], each but the first may be null
    kCall,       // items[0](args)
    kFilter,     // items[0] | name(args); no items in filter blocks
    kTest,       // items[0] is name(args)
    kCond        // items[0] if items[1] else items[2] (may be null)
  };

  Type type;
  uint32_t at = 0;  // byte offset in the source
  int height = 1;   // of the tree below
  std::string name;
  Value value;
  std::vector<ExprPtr> items;
  std::vector<Op> ops;
  std::unique_ptr<CallArgs> args;
  Slot slot;
  Slot test_slot;  // of a loop's target in the frame of the loop's condition
};

// What a scope sets up when it is entered: one entry for each name that belongs to it.
struct Frame {
  enum class Load : uint8_t {
    kUnset,      // assigned here before it is read
    kParameter,  // the statement itself gives it a value (loop variables, macro arguments)
    kContext,    // the caller's variable or a global function
    kOuter       // a copy of an outer scope's
  };
  struct Entry {
    std::string name;
    Load load = Load::kUnset;
    Slot outer;
  };
  std::vector<Entry> entries;
};

struct Statement {
  enum class Type : uint8_t {
    kData,         // text
    kPrint,        // expr
    kSet,          // target = expr
    kSetBlock,     // target = body, through the filter `expr` if there is one
    kIf,           // branches, body is the else
    kFor,          // for target in expr if test: body, otherwise
    kMacro,        // name, params, defaults, body
    kCallBlock,    // expr is the call; params, defaults, body are the caller
    kFilterBlock,  // expr is the filter
    kWith,         // params = defaults: body
    kGeneration,   // body
    kBreak, kContinue
  };
  struct Branch {
    ExprPtr test;
    Block body;
  };

  Type type;
  uint32_t at = 0;
  std::string text;  // data, or the name of a macro
  ExprPtr expr, target, test;
  std::vector<ExprPtr> params, defaults;
  std::vector<Branch> branches;
  Block body, otherwise;
  bool recursive = false;
  bool takes_caller = false, takes_kwargs = false, takes_varargs = false;
  Slot slot;                                // of a macro's name
  Frame frame, otherwise_frame, test_frame;
  int caller_slot = -1, kwargs_slot = -1, varargs_slot = -1, loop_slot = -1;
};

}  // namespace ocelli::text::jinja
