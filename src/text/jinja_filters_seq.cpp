// Filters on lists, dicts and whatever else can be iterated.
#include <algorithm>
#include <memory>

#include "base/utf8.h"
#include "text/jinja_filters.h"
#include "text/jinja_text.h"

namespace ocelli::text::jinja {
namespace {

using View = std::string_view;

// Generators look at what they read only when they are read themselves: until then, no error.
Result<Value> failing_later(Error error) {
  return make_iterator([error]() -> Result<Value> { return error; }, 1);
}

Error not_iterable(const Value& value) { return Iteration::over(value).error(); }

// Sorting keys: texts without regard to case unless asked for.
Value fold_case(Value value, bool case_sensitive) {
  if (case_sensitive || !value.is_string()) return value;
  return Value::string(to_lower(value.str()));
}

Result<Value> path_key(Interpreter& in, const Value& item, const Value& path, bool case_sensitive) {
  OCELLI_ASSIGN(Value value, lookup_path(in, item, path));
  if (value.is_string() && !in.meter().spend_bytes(value.str().size())) return Meter::error();
  return fold_case(std::move(value), case_sensitive);
}

struct Keyed {
  Value key, item;
};

// As sorted(key=..., reverse=...): stable in both directions.
Status sort_keyed(Interpreter& in, std::vector<Keyed>& items, bool reverse) {
  Status status;
  std::stable_sort(items.begin(), items.end(), [&](const Keyed& a, const Keyed& b) {
    if (!status.ok()) return false;
    const Result<bool> less =
        reverse ? value_less(b.key, a.key, in.meter()) : value_less(a.key, b.key, in.meter());
    if (!less.ok()) status = less.error();
    return less.ok() && *less;
  });
  return status;
}

Result<Value> length(Interpreter&, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "length", {}, 0));
  const int64_t size = length_of(self);
  if (size < 0) {
    return fail(Code::kBadInput,
                "a value of type " + std::string(type_name(self)) + " has no length");
  }
  return Value::integer(size);
}

Result<Value> first(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "first", {}, 0));
  OCELLI_ASSIGN(Iteration items, Iteration::over(self));
  OCELLI_ASSIGN(Value item, items.next(in.meter()));
  return item.missing() ? Value::undefined("no first item, the sequence is empty") : item;
}

Result<Value> last(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "last", {}, 0));
  if (length_of(self) < 0) return bad_argument("last", "a sequence", self);
  if (length_of(self) == 0) return Value::undefined("no last item, the sequence is empty");
  if (self.is_string() || self.is_sequence() || self.is(Kind::kRange)) {
    return in.item(self, Value::integer(-1));
  }
  OCELLI_ASSIGN(const std::vector<Value> items, in.list(self));
  return items.back();
}

Result<Value> to_list(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "list", {}, 0));
  OCELLI_ASSIGN(std::vector<Value> items, in.list(self));
  return make_list(std::move(items));
}

Result<Value> join(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "join", {"d", "attribute"}, 0));
  std::string separator, out;
  if (!arg[0].missing()) {
    OCELLI_ASSIGN(separator, in.str(arg[0]));
  }
  const bool path = !arg[1].missing() && !arg[1].is_none();
  OCELLI_ASSIGN(Iteration items, Iteration::over(self));
  for (bool first_item = true;; first_item = false) {
    OCELLI_ASSIGN(Value item, items.next(in.meter()));
    if (item.missing()) return in.string(std::move(out));
    if (path) {
      OCELLI_ASSIGN(item, lookup_path(in, item, arg[1]));
    }
    if (!first_item) out += separator;
    if (!in.meter().spend_bytes(separator.size())) return Meter::error();
    OCELLI_TRY(append_str(out, item, in.meter()));
  }
}

Result<Value> items_of(Interpreter&, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "items", {}, 0));
  if (self.is_undefined()) return make_iterator([]() -> Result<Value> { return Value(); }, 1);
  if (!self.is(Kind::kDict)) return failing_later(bad_argument("items", "a dict", self));
  auto at = std::make_shared<size_t>(0);
  return make_iterator(
      [self, at]() -> Result<Value> {
        if (*at >= self.dict().entries.size()) return Value();
        const DictBox::Entry& entry = self.dict().entries[(*at)++];
        return make_tuple({entry.key, entry.value});
      },
      self.depth() + 1);
}

Result<Value> dict_sort(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "dictsort", {"case_sensitive", "by", "reverse"}, 0));
  if (!self.is(Kind::kDict)) return bad_argument("dictsort", "a dict", self);
  OCELLI_ASSIGN(const std::string by, str_arg(arg[1], "dictsort", "key"));
  if (by != "key" && by != "value") return fail(Code::kBadInput, "dictsort: by key or value");
  std::vector<Keyed> keyed;
  for (const DictBox::Entry& entry : self.dict().entries) {
    OCELLI_ASSIGN(Value pair, make_tuple({entry.key, entry.value}));
    keyed.push_back({fold_case(by == "key" ? entry.key : entry.value, arg[0].truthy()),
                     std::move(pair)});
  }
  OCELLI_TRY(sort_keyed(in, keyed, arg[2].truthy()));
  std::vector<Value> out;
  for (Keyed& entry : keyed) out.push_back(std::move(entry.item));
  return make_list(std::move(out));
}

// "a,b.c": the list of what each path gives.
Result<Value> multi_key(Interpreter& in, const Value& item, const Value& paths, bool exact) {
  std::vector<Value> keys;
  if (paths.is_string()) {
    View rest = paths.str();
    while (true) {
      const size_t comma = std::min(rest.find(','), rest.size());
      OCELLI_ASSIGN(Value key, path_key(in, item, Value::string(std::string(rest.substr(0, comma))),
                                        exact));
      keys.push_back(std::move(key));
      if (comma == rest.size()) break;
      rest.remove_prefix(comma + 1);
    }
  } else {
    OCELLI_ASSIGN(Value key, path_key(in, item, paths, exact));
    keys.push_back(std::move(key));
  }
  return make_list(std::move(keys));
}

Result<Value> sort(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "sort", {"reverse", "case_sensitive", "attribute"}, 0));
  OCELLI_ASSIGN(std::vector<Value> items, in.list(self));
  std::vector<Keyed> keyed;
  for (Value& item : items) {
    OCELLI_ASSIGN(Value key, multi_key(in, item, arg[2], arg[1].truthy()));
    keyed.push_back({std::move(key), std::move(item)});
  }
  OCELLI_TRY(sort_keyed(in, keyed, arg[0].truthy()));
  std::vector<Value> out;
  for (Keyed& entry : keyed) out.push_back(std::move(entry.item));
  return make_list(std::move(out));
}

Result<Value> unique(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "unique", {"case_sensitive", "attribute"}, 0));
  if (!Iteration::possible(self)) return failing_later(not_iterable(self));
  struct State {
    Iteration items;
    DictBox seen;
    Value path;
    bool exact;
  };
  auto state = std::make_shared<State>();
  OCELLI_ASSIGN(state->items, Iteration::over(self));
  state->path = arg[1];
  state->exact = arg[0].truthy();
  return make_iterator(
      [&in, state]() -> Result<Value> {
        while (true) {
          OCELLI_ASSIGN(Value item, state->items.next(in.meter()));
          if (item.missing()) return item;
          OCELLI_ASSIGN(const Value key, path_key(in, item, state->path, state->exact));
          OCELLI_ASSIGN(const Value* found, state->seen.find(key, in.meter()));
          if (found != nullptr) continue;
          OCELLI_TRY(state->seen.set(key, Value::none(), in.meter()));
          return item;
        }
      },
      self.depth() + 1);
}

template <bool kMax>
Result<Value> extreme(Interpreter& in, const Value& self, const Args& args) {
  const View who = kMax ? "max" : "min";
  OCELLI_ASSIGN(const Bound arg, bind(args, who, {"case_sensitive", "attribute"}, 0));
  OCELLI_ASSIGN(Iteration items, Iteration::over(self));
  Value best, best_key;
  while (true) {
    OCELLI_ASSIGN(Value item, items.next(in.meter()));
    if (item.missing()) break;
    OCELLI_ASSIGN(Value key, path_key(in, item, arg[1], arg[0].truthy()));
    bool better = best.missing();
    if (!better) {
      OCELLI_ASSIGN(better, kMax ? value_less(best_key, key, in.meter())
                                 : value_less(key, best_key, in.meter()));
    }
    if (!better) continue;
    best = std::move(item);
    best_key = std::move(key);
  }
  return best.missing() ? Value::undefined("no aggregated item, the sequence is empty") : best;
}

Result<Value> sum(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "sum", {"attribute", "start"}, 0));
  Value total = arg[1].missing() ? Value::integer(0) : arg[1];
  if (total.is_string()) return bad_argument("sum", "no text to start from", total);
  OCELLI_ASSIGN(Iteration items, Iteration::over(self));
  while (true) {
    OCELLI_ASSIGN(Value item, items.next(in.meter()));
    if (item.missing()) return total;
    if (!arg[0].missing() && !arg[0].is_none()) {
      OCELLI_ASSIGN(item, lookup_path(in, item, arg[0]));
    }
    OCELLI_ASSIGN(total, in.binary(Op::kAdd, total, item));
  }
}

Result<Value> reverse(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "reverse", {}, 0));
  if (self.is_string()) {
    return in.slice(self, Value::none(), Value::none(), Value::integer(-1));
  }
  OCELLI_ASSIGN(std::vector<Value> items, in.list(self));
  std::reverse(items.begin(), items.end());
  OCELLI_ASSIGN(const Value list, make_list(std::move(items)));
  if (self.is(Kind::kIterator)) return list;
  auto at = std::make_shared<size_t>(0);
  return make_iterator(
      [list, at]() -> Result<Value> {
        return *at < list.items().size() ? list.items()[(*at)++] : Value();
      },
      list.depth() + 1);
}

Result<Value> batch(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "batch", {"linecount", "fill_with"}, 1));
  if (!Iteration::possible(self)) return failing_later(not_iterable(self));
  OCELLI_ASSIGN(const int64_t count, int_arg(arg[0], "batch", 1));
  if (count < 1 || count > kMaxRange) return fail(Code::kBadInput, "batch: bad size");
  auto items = std::make_shared<Iteration>();
  OCELLI_ASSIGN(*items, Iteration::over(self));
  const Value fill = arg[1].is_none() ? Value() : arg[1];
  return make_iterator(
      [&in, items, count, fill]() -> Result<Value> {
        std::vector<Value> row;
        while (static_cast<int64_t>(row.size()) < count) {
          OCELLI_ASSIGN(Value item, items->next(in.meter()));
          if (item.missing()) break;
          row.push_back(std::move(item));
        }
        if (row.empty()) return Value();
        if (!fill.missing()) {
          if (!in.meter().spend(count)) return Meter::error();
          row.resize(static_cast<size_t>(count), fill);
        }
        return make_list(std::move(row));
      },
      std::max(self.depth(), fill.depth()) + 2);
}

Result<Value> slices(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "slice", {"slices", "fill_with"}, 1));
  if (!Iteration::possible(self)) return failing_later(not_iterable(self));
  OCELLI_ASSIGN(const int64_t count, int_arg(arg[0], "slice", 1));
  if (count < 1 || count > kMaxRange) return fail(Code::kBadInput, "slice: bad number of slices");
  if (!in.meter().spend(count)) return Meter::error();
  OCELLI_ASSIGN(const std::vector<Value> items, in.list(self));
  const auto size = static_cast<int64_t>(items.size());
  std::vector<Value> out;
  auto from = items.begin();
  for (int64_t i = 0; i < count; ++i) {
    const bool extra = i < size % count;
    const auto to = from + size / count + (extra ? 1 : 0);
    std::vector<Value> part(from, to);
    if (!extra && !arg[1].missing() && !arg[1].is_none()) part.push_back(arg[1]);
    OCELLI_ASSIGN(Value list, make_list(std::move(part)));
    out.push_back(std::move(list));
    from = to;
  }
  OCELLI_ASSIGN(const Value list, make_list(std::move(out)));
  auto at = std::make_shared<size_t>(0);
  return make_iterator(
      [list, at]() -> Result<Value> {
        return *at < list.items().size() ? list.items()[(*at)++] : Value();
      },
      list.depth() + 1);
}

Result<Value> group_by(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "groupby", {"attribute", "default", "case_sensitive"}, 1));
  OCELLI_ASSIGN(const std::vector<Value> items, in.list(self));
  std::vector<Keyed> keyed;
  std::vector<Value> out;
  const auto value_of = [&](const Value& item) -> Result<Value> {
    OCELLI_ASSIGN(Value value, lookup_path(in, item, arg[0]));
    return value.is_undefined() && !arg[1].missing() && !arg[1].is_none() ? arg[1] : value;
  };
  for (const Value& item : items) {
    OCELLI_ASSIGN(Value key, value_of(item));
    keyed.push_back({fold_case(std::move(key), arg[2].truthy()), item});
  }
  OCELLI_TRY(sort_keyed(in, keyed, false));
  for (size_t i = 0; i < keyed.size();) {
    std::vector<Value> group;
    size_t end = i;
    for (; end < keyed.size(); ++end) {
      OCELLI_ASSIGN(const bool same, values_equal(keyed[i].key, keyed[end].key, in.meter()));
      if (!same) break;
      group.push_back(keyed[end].item);
    }
    OCELLI_ASSIGN(Value name, value_of(keyed[i].item));
    OCELLI_ASSIGN(Value list, make_list(std::move(group)));
    auto pair = std::make_shared<ListBox>();
    pair->depth = std::max(name.depth(), list.depth()) + 1;
    if (pair->depth > kMaxValueDepth) return fail(Code::kBadInput, "values are nested too deeply");
    pair->items = {std::move(name), std::move(list)};
    pair->group = true;
    out.push_back(Value::box(Kind::kTuple, std::move(pair)));
    i = end;
  }
  return make_list(std::move(out));
}

// --- map, select and their kin: lazy, as generators ---

struct Lazy {
  Iteration items;
  Args args;
  bool any = true;  // an empty source never looks at the arguments
};

Result<std::shared_ptr<Lazy>> make_lazy(const Value& self, const Args& args) {
  auto lazy = std::make_shared<Lazy>();
  lazy->any = self.truthy();
  if (lazy->any) {
    OCELLI_ASSIGN(lazy->items, Iteration::over(self));
  }
  lazy->args = args;
  return lazy;
}

int lazy_depth(const Value& self, const Args& args) {
  int depth = self.depth();
  for (const Value& value : args.positional) depth = std::max(depth, value.depth());
  for (const auto& named : args.named) depth = std::max(depth, named.second.depth());
  return depth + 1;
}

Result<Value> map_one(Interpreter& in, const Value& item, const Args& args) {
  if (args.positional.empty()) {
    Value path, fallback;
    for (const auto& [name, value] : args.named) {
      if (name == "attribute") {
        path = value;
      } else if (name == "default") {
        fallback = value;
      } else {
        return fail(Code::kBadInput, "map takes no argument \"" + name + "\"");
      }
    }
    if (path.missing()) return fail(Code::kBadInput, "map needs a filter or an attribute");
    OCELLI_ASSIGN(Value value, lookup_path(in, item, path));
    const bool replaced = value.is_undefined() && !fallback.missing() && !fallback.is_none();
    return replaced ? fallback : value;
  }
  OCELLI_ASSIGN(const std::string name, str_arg(args.positional[0], "map", ""));
  const Native filter = find_filter(name);
  if (filter == nullptr) return fail(Code::kBadInput, "there is no filter \"" + name + "\"");
  Args rest = args;
  rest.positional.erase(rest.positional.begin());
  return in.run_native(filter, item, rest);
}

Result<Value> map(Interpreter& in, const Value& self, const Args& args) {
  if (self.truthy() && !Iteration::possible(self)) return failing_later(not_iterable(self));
  OCELLI_ASSIGN(const std::shared_ptr<Lazy> lazy, make_lazy(self, args));
  return make_iterator(
      [&in, lazy]() -> Result<Value> {
        if (!lazy->any) return Value();
        OCELLI_ASSIGN(const Value item, lazy->items.next(in.meter()));
        return item.missing() ? item : map_one(in, item, lazy->args);
      },
      lazy_depth(self, args));
}

Result<bool> passes(Interpreter& in, Value item, const Args& args, bool by_attribute) {
  size_t used = 0;
  if (by_attribute) {
    if (args.positional.empty()) return fail(Code::kBadInput, "the attribute's name is missing");
    OCELLI_ASSIGN(item, lookup_path(in, item, args.positional[used++]));
  }
  if (args.positional.size() <= used) return item.truthy();
  OCELLI_ASSIGN(const std::string name, str_arg(args.positional[used++], "select", ""));
  const Native test = find_test(name);
  if (test == nullptr) return fail(Code::kBadInput, "there is no test \"" + name + "\"");
  Args rest = args;
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + static_cast<std::ptrdiff_t>(used));
  OCELLI_ASSIGN(const Value passed, in.run_native(test, item, rest));
  return passed.truthy();
}

template <bool kWanted, bool kByAttribute>
Result<Value> choose(Interpreter& in, const Value& self, const Args& args) {
  if (self.truthy() && !Iteration::possible(self)) return failing_later(not_iterable(self));
  OCELLI_ASSIGN(const std::shared_ptr<Lazy> lazy, make_lazy(self, args));
  return make_iterator(
      [&in, lazy]() -> Result<Value> {
        while (lazy->any) {
          OCELLI_ASSIGN(Value item, lazy->items.next(in.meter()));
          if (item.missing()) return item;
          OCELLI_ASSIGN(const bool passed, passes(in, item, lazy->args, kByAttribute));
          if (passed == kWanted) return item;
        }
        return Value();
      },
      lazy_depth(self, args));
}

Result<Value> default_value(Interpreter&, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "default", {"default_value", "boolean"}, 0));
  if (!self.is_undefined() && !(arg[1].truthy() && !self.truthy())) return self;
  return arg[0].missing() ? Value::string("") : arg[0];
}

Result<Value> attr(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "attr", {"name"}, 1));
  OCELLI_ASSIGN(const std::string name, str_arg(arg[0], "attr", ""));
  if (self.is(Kind::kDict)) {  // never a key
    const Result<Value> found = in.attribute(self, name);
    if (found.ok() && found->is(Kind::kFunction)) return found;
    return Value::undefined("a dict has no attribute \"" + name + "\"");
  }
  return in.attribute(self, name);
}

constexpr NamedNative kFilters[] = {
    {"length", length},
    {"count", length},
    {"first", first},
    {"last", last},
    {"list", to_list},
    {"join", join},
    {"items", items_of},
    {"dictsort", dict_sort},
    {"sort", sort},
    {"unique", unique},
    {"min", extreme<false>},
    {"max", extreme<true>},
    {"sum", sum},
    {"reverse", reverse},
    {"batch", batch},
    {"slice", slices},
    {"groupby", group_by},
    {"map", map},
    {"select", choose<true, false>},
    {"reject", choose<false, false>},
    {"selectattr", choose<true, true>},
    {"rejectattr", choose<false, true>},
    {"default", default_value},
    {"d", default_value},
    {"attr", attr},
};

}  // namespace

Result<Value> lookup_path(Interpreter& in, Value item, const Value& path) {
  if (path.missing() || path.is_none()) return item;
  if (!path.is_string()) return in.item(item, path);
  View rest = path.str();
  while (true) {
    const size_t dot = std::min(rest.find('.'), rest.size());
    const View part = rest.substr(0, dot);
    const bool digits = !part.empty() && part.size() < 18 &&
                        part.find_first_not_of("0123456789") == View::npos;
    const Value key = digits ? Value::integer(std::stoll(std::string(part)))
                             : Value::string(std::string(part));
    OCELLI_ASSIGN(item, in.item(item, key));
    if (!in.meter().spend(1)) return Meter::error();
    if (dot == rest.size()) return item;
    rest.remove_prefix(dot + 1);
  }
}

Native find_sequence_filter(std::string_view name) {
  for (const NamedNative& filter : kFilters) {
    if (filter.name == name) return filter.call;
  }
  return nullptr;
}

}  // namespace ocelli::text::jinja
