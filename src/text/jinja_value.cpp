#include "text/jinja_value.h"

#include <algorithm>
#include <bit>

#include "base/siphash.h"
#include "text/jinja_text.h"

namespace ocelli::text::jinja {
namespace {

constexpr size_t kSmallDict = 8;  // entries found by walking

Status check_depth(int depth) {
  if (depth <= kMaxValueDepth) return {};
  return fail(Code::kBadInput, "values are nested too deeply (" + std::to_string(depth) +
                                   ", limit " + std::to_string(kMaxValueDepth) + ")");
}

int depth_of(const std::vector<Value>& items) {
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  return depth + 1;
}

Result<Value> make_sequence(std::vector<Value> items, Kind kind) {
  auto box = std::make_shared<ListBox>();
  box->depth = depth_of(items);
  OCELLI_TRY(check_depth(box->depth));
  box->items = std::move(items);
  return Value::box(kind, std::move(box));
}

}  // namespace

Value Value::undefined(std::string why) {
  auto box = std::make_shared<StringBox>();
  box->text = std::move(why);
  return Value::box(Kind::kUndefined, std::move(box));
}

Value Value::real(double d) {
  Value value(Kind::kFloat);
  value.number_.d = d;
  return value;
}

Value Value::string(std::string text, bool markup) {
  auto box = std::make_shared<StringBox>();
  box->text = std::move(text);
  Value value = Value::box(Kind::kString, std::move(box));
  value.markup_ = markup;
  return value;
}

const std::vector<Value>& Value::items() const { return as<ListBox>().items; }
const DictBox& Value::dict() const { return as<DictBox>(); }

int64_t Value::char_count() const {
  const StringBox& box = as<StringBox>();
  if (box.chars < 0) box.chars = static_cast<int64_t>(count_chars(box.text));
  return box.chars;
}

bool Value::truthy() const {
  switch (kind_) {
    case Kind::kMissing:
    case Kind::kUndefined:
    case Kind::kNone: return false;
    case Kind::kBool:
    case Kind::kInt: return number_.i != 0;
    case Kind::kFloat: return number_.d != 0;
    case Kind::kString: return !str().empty();
    case Kind::kList:
    case Kind::kTuple: return !items().empty();
    case Kind::kDict: return !dict().entries.empty();
    case Kind::kView: return as<ViewBox>().dict.truthy();
    case Kind::kRange: return as<RangeBox>().size != 0;
    default: return true;
  }
}

int Value::depth() const {
  switch (kind_) {
    case Kind::kList:
    case Kind::kTuple: return as<ListBox>().depth;
    case Kind::kDict: return as<DictBox>().depth;
    case Kind::kView: return as<ViewBox>().dict.depth() + 1;
    case Kind::kIterator: return as<IteratorBox>().depth;
    case Kind::kFunction: return as<FunctionBox>().self.depth() + 1;
    case Kind::kCycler: return depth_of(as<CyclerBox>().items);
    default: return 0;
  }
}

template <class Same>
Result<const DictBox::Entry*> DictBox::lookup(uint64_t hash, Same same) const {
  const Entry* none = nullptr;
  if (table.empty()) {
    for (const Entry& entry : entries) {
      if (entry.hash != hash) continue;
      OCELLI_ASSIGN(const bool found, same(entry));
      if (found) return &entry;
    }
    return none;
  }
  for (size_t at = hash & (table.size() - 1); table[at] != 0; at = (at + 1) & (table.size() - 1)) {
    const Entry& entry = entries[table[at] - 1];
    if (entry.hash != hash) continue;
    OCELLI_ASSIGN(const bool found, same(entry));
    if (found) return &entry;
  }
  return none;
}

void DictBox::index(uint32_t entry) {
  size_t at = entries[entry].hash & (table.size() - 1);
  while (table[at] != 0) at = (at + 1) & (table.size() - 1);
  table[at] = entry + 1;
}

Status DictBox::set(Value key, Value value, Meter& meter) {
  if (!meter.spend(1)) return Meter::error();
  OCELLI_ASSIGN(const uint64_t hash, hash_value(key, meter));
  OCELLI_ASSIGN(const Entry* found, lookup(hash, [&](const Entry& entry) {
    return values_equal(entry.key, key, meter);
  }));
  depth = std::max({depth, key.depth() + 1, value.depth() + 1});
  if (found != nullptr) {
    entries[static_cast<size_t>(found - entries.data())].value = std::move(value);
    return {};
  }
  entries.push_back({hash, std::move(key), std::move(value)});
  if (entries.size() > kSmallDict && entries.size() * 2 > table.size()) {
    table.assign(std::bit_ceil(entries.size() * 4), 0);
    for (uint32_t i = 0; i < entries.size(); ++i) index(i);
  } else if (!table.empty()) {
    index(static_cast<uint32_t>(entries.size() - 1));
  }
  return {};
}

Result<const Value*> DictBox::find(const Value& key, Meter& meter) const {
  OCELLI_ASSIGN(const uint64_t hash, hash_value(key, meter));
  OCELLI_ASSIGN(const Entry* found, lookup(hash, [&](const Entry& entry) {
    return values_equal(entry.key, key, meter);
  }));
  return found == nullptr ? nullptr : &found->value;
}

const Value* DictBox::find(std::string_view key) const {
  const uint64_t hash = base::siphash(key, base::process_sip_key());
  const Result<const Entry*> found = lookup(hash, [&](const Entry& entry) -> Result<bool> {
    return entry.key.is_string() && entry.key.str() == key;
  });
  const Entry* entry = found.value();
  return entry == nullptr ? nullptr : &entry->value;
}

Result<Value> make_list(std::vector<Value> items) {
  return make_sequence(std::move(items), Kind::kList);
}

Result<Value> make_tuple(std::vector<Value> items) {
  return make_sequence(std::move(items), Kind::kTuple);
}

Result<Value> make_dict(DictBox dict) {
  OCELLI_TRY(check_depth(dict.depth));
  return Value::box(Kind::kDict, std::make_shared<DictBox>(std::move(dict)));
}

Result<Value> make_iterator(std::function<Result<Value>()> next, int depth) {
  OCELLI_TRY(check_depth(depth));
  auto box = std::make_shared<IteratorBox>();
  box->next = std::move(next);
  box->depth = depth;
  return Value::box(Kind::kIterator, std::move(box));
}

Result<Value> from_json(const base::Json& json, Meter& meter) {
  using JsonKind = base::Json::Kind;
  switch (json.kind()) {
    case JsonKind::kNull: return Value::none();
    case JsonKind::kBool: return Value::boolean(json.as_bool());
    case JsonKind::kInt: return Value::integer(json.as_int());
    case JsonKind::kFloat: return Value::real(json.as_double());
    case JsonKind::kString: return Value::string(json.as_string());
    case JsonKind::kArray: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const base::Json& item : json.items()) {
        OCELLI_ASSIGN(Value value, from_json(item, meter));
        items.push_back(std::move(value));
      }
      return make_list(std::move(items));
    }
    case JsonKind::kObject: break;
  }
  DictBox dict;
  for (const auto& [name, member] : json.members()) {
    OCELLI_ASSIGN(Value value, from_json(member, meter));
    OCELLI_TRY(dict.set(Value::string(name), std::move(value), meter));
  }
  return make_dict(std::move(dict));
}

std::string_view type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined: return "Undefined";
    case Kind::kNone: return "NoneType";
    case Kind::kBool: return "bool";
    case Kind::kInt: return "int";
    case Kind::kFloat: return "float";
    case Kind::kString: return value.markup() ? "Markup" : "str";
    case Kind::kList: return "list";
    case Kind::kTuple: return "tuple";
    case Kind::kDict: return "dict";
    case Kind::kView: return "dict view";
    case Kind::kRange: return "range";
    case Kind::kIterator: return "generator";
    case Kind::kNamespace: return "Namespace";
    case Kind::kMacro: return "Macro";
    case Kind::kLoop: return "LoopContext";
    case Kind::kFunction: return "function";
    case Kind::kCycler: return "Cycler";
    case Kind::kJoiner: return "Joiner";
  }
  return "object";
}

Error undefined_error(const Value& value) {
  return fail(Code::kBadInput, value.missing() ? "a value is undefined" : value.str());
}

}  // namespace ocelli::text::jinja
