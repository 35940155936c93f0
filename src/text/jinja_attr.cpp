// Attributes, items and methods of values other than text, under the rules of Jinja2's immutable
// sandbox: nothing that changes a list or dict, and no way to Python's own attributes.
#include <algorithm>

#include "text/jinja_filters.h"
#include "text/jinja_interp.h"
#include "text/jinja_text.h"

namespace ocelli::text::jinja {
namespace {

constexpr std::string_view kListChanging[] = {"append", "clear",  "extend", "insert",
                                              "pop",    "remove", "reverse", "sort"};
constexpr std::string_view kDictChanging[] = {"clear", "pop", "popitem", "setdefault", "update"};

template <size_t N>
bool one_of(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

template <size_t N>
Native find_in(const NamedNative (&table)[N], std::string_view name) {
  for (const NamedNative& entry : table) {
    if (entry.name == name) return entry.call;
  }
  return nullptr;
}

Result<Value> dict_view(const Value& self, const Args& args, ViewBox::What what) {
  OCELLI_TRY(bind(args, "a dict's method", {}, 0));
  auto box = std::make_shared<ViewBox>();
  box->what = what;
  box->dict = self;
  return Value::box(Kind::kView, std::move(box));
}

Result<Value> dict_keys(Interpreter&, const Value& self, const Args& args) {
  return dict_view(self, args, ViewBox::What::kKeys);
}
Result<Value> dict_values(Interpreter&, const Value& self, const Args& args) {
  return dict_view(self, args, ViewBox::What::kValues);
}
Result<Value> dict_items(Interpreter&, const Value& self, const Args& args) {
  return dict_view(self, args, ViewBox::What::kItems);
}

Result<Value> dict_get(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "get", {"_key", "_default"}, 1));
  OCELLI_ASSIGN(const Value* found, self.dict().find(arg[0], in.meter()));
  if (found != nullptr) return *found;
  return arg[1].missing() ? Value::none() : arg[1];
}

Result<Value> copy(Interpreter&, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "copy", {}, 0));
  return self;  // nothing can change it
}

Result<Value> sequence_count(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "count", {"_value"}, 1));
  OCELLI_ASSIGN(const std::vector<Value> items, in.list(self));
  int64_t count = 0;
  for (const Value& item : items) {
    OCELLI_ASSIGN(const bool same, values_equal(item, arg[0], in.meter()));
    count += same ? 1 : 0;
  }
  return Value::integer(count);
}

Result<Value> sequence_index(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "index", {"_value", "_start", "_stop"}, 1));
  OCELLI_ASSIGN(const std::vector<Value> items, in.list(self));
  const auto size = static_cast<int64_t>(items.size());
  OCELLI_ASSIGN(int64_t start, int_arg(arg[1], "index", 0));
  OCELLI_ASSIGN(int64_t stop, int_arg(arg[2], "index", size));
  if (start < 0) start = std::max<int64_t>(start + size, 0);
  if (stop < 0) stop += size;
  for (int64_t i = start; i < std::min(stop, size); ++i) {
    OCELLI_ASSIGN(const bool same, values_equal(items[static_cast<size_t>(i)], arg[0], in.meter()));
    if (same) return Value::integer(i);
  }
  return fail(Code::kBadInput, "index: the value is not in the list");
}

constexpr NamedNative kDictMethods[] = {{"get", dict_get},       {"items", dict_items},
                                        {"keys", dict_keys},     {"values", dict_values},
                                        {"copy", copy}};
constexpr NamedNative kListMethods[] = {
    {"index", sequence_index}, {"count", sequence_count}, {"copy", copy}};
constexpr NamedNative kTupleMethods[] = {{"index", sequence_index}, {"count", sequence_count}};

Result<Value> loop_cycle(Interpreter&, const Value& self, const Args& args) {
  if (args.positional.empty() || !args.named.empty()) {
    return fail(Code::kBadInput, "loop.cycle needs values to choose from");
  }
  const auto index = static_cast<size_t>(self.as<LoopState>().index0);
  return args.positional[index % args.positional.size()];
}

Result<Value> loop_changed(Interpreter& in, const Value& self, const Args& args) {
  const LoopState& loop = self.as<LoopState>();
  bool same = loop.ever_changed && loop.last_changed.size() == args.positional.size();
  for (size_t i = 0; same && i < args.positional.size(); ++i) {
    OCELLI_ASSIGN(same, values_equal(loop.last_changed[i], args.positional[i], in.meter()));
  }
  if (same) return Value::boolean(false);
  loop.ever_changed = true;
  loop.last_changed = args.positional;
  return Value::boolean(true);
}

// kMissing where a loop has no such attribute.
Result<Value> loop_attribute(Interpreter& in, const Value& self, const std::string& name) {
  const LoopState& loop = self.as<LoopState>();
  if (name == "index") return Value::integer(loop.index0 + 1);
  if (name == "index0") return Value::integer(loop.index0);
  if (name == "first") return Value::boolean(loop.index0 == 0);
  if (name == "depth") return Value::integer(loop.depth0 + 1);
  if (name == "depth0") return Value::integer(loop.depth0);
  if (name == "cycle") return make_function(name, loop_cycle, self);
  if (name == "changed") return make_function(name, loop_changed, self);
  if (name == "previtem") {
    return loop.index0 == 0 ? Value::undefined("there is no previous item") : loop.before;
  }
  if (name == "last" || name == "nextitem") {
    if (loop.ahead.empty()) {
      OCELLI_ASSIGN(Value next, in.loop_next(loop));
      if (!next.missing()) loop.ahead.push_back(std::move(next));
    }
    if (name == "last") return Value::boolean(loop.ahead.empty());
    return loop.ahead.empty() ? Value::undefined("there is no next item") : loop.ahead.front();
  }
  if (name != "length" && name != "revindex" && name != "revindex0") return Value();
  int64_t length = loop.known_length;
  if (length < 0) {
    OCELLI_TRY(in.loop_drain(loop));
    length = loop.index0 + 1 + static_cast<int64_t>(loop.ahead.size());
  }
  if (name == "length") return Value::integer(length);
  return Value::integer(length - loop.index0 - (name == "revindex0" ? 1 : 0));
}

Result<Value> cycler_next(Interpreter&, const Value& self, const Args&) {
  const CyclerBox& cycler = self.as<CyclerBox>();
  const size_t at = cycler.at;
  cycler.at = (at + 1) % cycler.items.size();
  return cycler.items[at];
}

Result<Value> cycler_reset(Interpreter&, const Value& self, const Args&) {
  self.as<CyclerBox>().at = 0;
  return Value::none();
}

Result<Value> is_integer(Interpreter&, const Value& self, const Args&) {
  const double d = self.as_double();
  return Value::boolean(d - d == 0 && d == static_cast<double>(static_cast<int64_t>(d)));
}

// What `object.name` is by the object's type, or kMissing.
Result<Value> own_attribute(Interpreter& in, const Value& object, const std::string& name) {
  const auto method = [&](Native call) {
    return call == nullptr ? Value() : make_function(name, call, object);
  };
  const auto refused = [&] {
    return Value::undefined("\"" + name + "\" of a " + std::string(type_name(object)) +
                            " would change it, which templates cannot");
  };
  switch (object.kind()) {
    case Kind::kString: return method(find_str_method(name));
    case Kind::kDict:
      return one_of(kDictChanging, name) ? refused() : method(find_in(kDictMethods, name));
    case Kind::kList:
      return one_of(kListChanging, name) ? refused() : method(find_in(kListMethods, name));
    case Kind::kTuple:
      if (object.as<ListBox>().group && (name == "grouper" || name == "list")) {
        return object.items()[name == "list" ? 1 : 0];
      }
      return method(find_in(kTupleMethods, name));
    case Kind::kRange: {
      const RangeBox& range = object.as<RangeBox>();
      if (name == "start") return Value::integer(range.start);
      if (name == "stop") return Value::integer(range.stop);
      if (name == "step") return Value::integer(range.step);
      return method(find_in(kTupleMethods, name));
    }
    case Kind::kNamespace: {
      const Value* found = object.as<NamespaceBox>().members.find(name);
      return found == nullptr ? Value() : *found;
    }
    case Kind::kLoop: return loop_attribute(in, object, name);
    case Kind::kMacro:
      return name == "name" ? Value::string(object.as<MacroBox>().node->text) : Value();
    case Kind::kCycler: {
      const CyclerBox& cycler = object.as<CyclerBox>();
      if (name == "current") return cycler.items[cycler.at];
      return name == "next" ? method(cycler_next) : name == "reset" ? method(cycler_reset) : Value();
    }
    case Kind::kFloat: return name == "is_integer" ? method(is_integer) : Value();
    default: return Value();
  }
}

Value no_attribute(const Value& object, const std::string& name) {
  return Value::undefined("a value of type " + std::string(type_name(object)) +
                          " has no attribute \"" + name + "\"");
}

Status check_name(const std::string& name) {
  if (!name.starts_with("__")) return {};
  return fail(Code::kBadInput, "the attribute \"" + base::printable(name, 60) +
                                   "\" is not open to templates");
}

}  // namespace

Value make_function(std::string_view name, Native call, Value self) {
  auto box = std::make_shared<FunctionBox>();
  box->name = name;
  box->call = call;
  box->self = std::move(self);
  return Value::box(Kind::kFunction, std::move(box));
}

Result<Value> Interpreter::attribute(const Value& object, const std::string& name) {
  if (object.is_undefined()) return undefined_error(object);
  OCELLI_TRY(check_name(name));
  OCELLI_ASSIGN(Value own, own_attribute(*this, object, name));
  if (!own.missing()) return own;
  if (object.is(Kind::kDict)) {
    if (const Value* found = object.dict().find(name)) return *found;
  }
  return no_attribute(object, name);
}

Result<Value> Interpreter::item(const Value& object, const Value& key) {
  if (object.is_undefined()) return undefined_error(object);
  if (object.is(Kind::kDict)) {
    // A key that cannot be one (a list) is simply not there, as in Jinja2.
    const Result<const Value*> found = object.dict().find(key, meter_);
    if (found.ok() && *found != nullptr) return **found;
    if (!meter_.spend(0)) return Meter::error();
  } else if (key.is_int() && (object.is_string() || object.is_sequence() ||
                              object.is(Kind::kRange))) {
    const int64_t size = length_of(object);
    const int64_t index = key.as_int() < 0 ? key.as_int() + size : key.as_int();
    if (index < 0 || index >= size) {
      return Value::undefined("a value of type " + std::string(type_name(object)) +
                              " has no element " + std::to_string(key.as_int()));
    }
    if (object.is_string()) {
      return slice(object, Value::integer(index), Value::integer(index + 1), Value::none());
    }
    if (object.is(Kind::kRange)) return range_item(object.as<RangeBox>(), index);
    return object.items()[static_cast<size_t>(index)];
  }
  if (!key.is_string()) {
    return Value::undefined("a value of type " + std::string(type_name(object)) +
                            " has no such element");
  }
  OCELLI_TRY(check_name(key.str()));
  OCELLI_ASSIGN(Value own, own_attribute(*this, object, key.str()));
  return own.missing() ? no_attribute(object, key.str()) : own;
}

}  // namespace ocelli::text::jinja
