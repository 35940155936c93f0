// The functions that every template can call, and how natives read their arguments.
#include <algorithm>
#include <ctime>
#include <map>

#include "base/utf8.h"
#include "text/jinja_filters.h"

namespace ocelli::text::jinja {
namespace {

constexpr size_t kMaxTimeText = 4096;

Result<Value> range(Interpreter&, const Value&, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "range", {"_start", "_stop", "_step"}, 1));
  auto box = std::make_shared<RangeBox>();
  for (size_t i = 0; i < 3; ++i) {
    if (!arg[i].missing() && !arg[i].is_int()) return bad_argument("range", "integers", arg[i]);
  }
  box->start = arg[1].missing() ? 0 : arg[0].as_int();
  box->stop = arg[1].missing() ? arg[0].as_int() : arg[1].as_int();
  box->step = arg[2].missing() ? 1 : arg[2].as_int();
  if (box->step == 0) return fail(Code::kBadInput, "range: the step is zero");
  const bool up = box->step > 0;
  if (up ? box->start < box->stop : box->start > box->stop) {
    const auto low = static_cast<uint64_t>(up ? box->start : box->stop);
    const auto high = static_cast<uint64_t>(up ? box->stop : box->start);
    const uint64_t pace = up ? static_cast<uint64_t>(box->step) : 0 - static_cast<uint64_t>(box->step);
    const uint64_t size = (high - low - 1) / pace + 1;
    if (size > static_cast<uint64_t>(kMaxRange)) {
      return fail(Code::kBadInput, "the range is too long (" + std::to_string(size) + ", limit " +
                                       std::to_string(kMaxRange) + ")");
    }
    box->size = static_cast<int64_t>(size);
  }
  return Value::box(Kind::kRange, std::move(box));
}

// dict(mapping or pairs, name=value, ...)
Result<DictBox> dict_of(Interpreter& in, const Args& args, std::string_view who) {
  DictBox dict;
  if (args.positional.size() > 1) return fail(Code::kBadInput, std::string(who) + ": one mapping");
  if (!args.positional.empty() && args.positional[0].is(Kind::kDict)) {
    for (const DictBox::Entry& entry : args.positional[0].dict().entries) {
      OCELLI_TRY(dict.set(entry.key, entry.value, in.meter()));
    }
  } else if (!args.positional.empty()) {
    OCELLI_ASSIGN(const std::vector<Value> pairs, in.list(args.positional[0]));
    for (const Value& pair : pairs) {
      OCELLI_ASSIGN(const std::vector<Value> parts, in.list(pair));
      if (parts.size() != 2) return fail(Code::kBadInput, std::string(who) + ": pairs expected");
      OCELLI_TRY(dict.set(parts[0], parts[1], in.meter()));
    }
  }
  for (const auto& [name, value] : args.named) {
    OCELLI_TRY(dict.set(Value::string(name), value, in.meter()));
  }
  return dict;
}

Result<Value> dict(Interpreter& in, const Value&, const Args& args) {
  OCELLI_ASSIGN(DictBox box, dict_of(in, args, "dict"));
  return make_dict(std::move(box));
}

Result<Value> make_namespace(Interpreter& in, const Value&, const Args& args) {
  OCELLI_ASSIGN(DictBox box, dict_of(in, args, "namespace"));
  for (const DictBox::Entry& entry : box.entries) {
    if (entry.key.is_string() && entry.key.str().starts_with("_")) {
      return fail(Code::kBadInput, "a namespace cannot hold the attribute \"" + entry.key.str() +
                                       "\" (it starts with \"_\")");
    }
  }
  return in.make_namespace(std::move(box));
}

Result<Value> cycler(Interpreter&, const Value&, const Args& args) {
  if (args.positional.empty() || !args.named.empty()) {
    return fail(Code::kBadInput, "cycler needs values to choose from");
  }
  auto box = std::make_shared<CyclerBox>();
  box->items = args.positional;
  Value value = Value::box(Kind::kCycler, std::move(box));
  if (value.depth() > kMaxValueDepth) return fail(Code::kBadInput, "values are nested too deeply");
  return value;
}

Result<Value> joiner(Interpreter&, const Value&, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "joiner", {"sep"}, 0));
  auto box = std::make_shared<JoinerBox>();
  OCELLI_ASSIGN(box->separator, str_arg(arg[0], "joiner", ", "));
  return Value::box(Kind::kJoiner, std::move(box));
}

Result<Value> raise_exception(Interpreter& in, const Value&, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "raise_exception", {"message"}, 1));
  OCELLI_ASSIGN(const std::string message, in.str(arg[0]));
  return fail(Code::kBadInput, "the template refuses this conversation: " + message);
}

Result<Value> strftime_now(Interpreter& in, const Value&, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "strftime_now", {"format"}, 1));
  if (!arg[0].is_string()) return bad_argument("strftime_now", "a text", arg[0]);
  std::string format;
  const std::string& given = arg[0].str();
  for (size_t i = 0; i < given.size(); ++i) {
    if (given[i] != '%' || i + 1 == given.size()) {
      format += given[i];
      continue;
    }
    const char c = given[++i];
    if (c == 'f') {
      format += "000000";  // the clock has whole seconds
    } else if (c != 'z' && c != 'Z') {  // datetime.now() knows no time zone and prints nothing
      format += '%';
      format += c;
    }
  }
  const std::time_t now = in.now();
  std::tm parts{};
  if (localtime_r(&now, &parts) == nullptr) return fail(Code::kBadInput, "the time is out of range");
  format += '.';  // so that an empty result differs from a failure
  char text[kMaxTimeText];
  const size_t size = std::strftime(text, sizeof(text), format.c_str(), &parts);
  if (size == 0) {
    return fail(Code::kBadInput, "strftime_now: the text is too long (limit " +
                                     std::to_string(kMaxTimeText) + " bytes)");
  }
  return in.string(base::replace_invalid_utf8(std::string_view(text, size - 1)));
}

Result<Value> lipsum(Interpreter&, const Value&, const Args&) {
  return fail(Code::kBadInput, "lipsum is not supported: its text is random");
}

}  // namespace

const Value* find_global(std::string_view name) {
  static const std::map<std::string_view, Value> kGlobals = {
      {"range", make_function("range", range)},
      {"dict", make_function("dict", dict)},
      {"namespace", make_function("namespace", make_namespace)},
      {"cycler", make_function("cycler", cycler)},
      {"joiner", make_function("joiner", joiner)},
      {"lipsum", make_function("lipsum", lipsum)},
      {"raise_exception", make_function("raise_exception", raise_exception)},
      {"strftime_now", make_function("strftime_now", strftime_now)}};
  const auto it = kGlobals.find(name);
  return it == kGlobals.end() ? nullptr : &it->second;
}

Error bad_argument(std::string_view who, std::string_view wanted, const Value& found) {
  if (found.is_undefined()) return undefined_error(found);
  return fail(Code::kBadInput, std::string(who) + " needs " + std::string(wanted) + " (" +
                                   std::string(type_name(found)) + " given)");
}

Result<Bound> bind(const Args& args, std::string_view who,
                   std::initializer_list<std::string_view> names, size_t required) {
  Bound bound;
  if (args.positional.size() > names.size()) {
    return fail(Code::kBadInput, std::string(who) + " takes at most " +
                                     std::to_string(names.size()) + " arguments (" +
                                     std::to_string(args.positional.size()) + ")");
  }
  for (size_t i = 0; i < args.positional.size(); ++i) bound[i] = args.positional[i];
  for (const auto& [name, value] : args.named) {
    const auto* it = std::find(names.begin(), names.end(), name);
    const auto at = static_cast<size_t>(it - names.begin());
    if (it == names.end() || name.starts_with("_") || !bound[at].missing()) {
      return fail(Code::kBadInput, std::string(who) + " takes no argument \"" +
                                       base::printable(name, 60) + "\", or it is given twice");
    }
    bound[at] = value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!bound[i].missing()) continue;
    return fail(Code::kBadInput, std::string(who) + " needs more arguments (" +
                                     std::to_string(i) + " given)");
  }
  return bound;
}

Result<int64_t> int_arg(const Value& value, std::string_view who, int64_t fallback) {
  if (value.missing()) return fallback;
  if (!value.is_int()) return bad_argument(who, "an integer", value);
  return value.as_int();
}

Result<std::string> str_arg(const Value& value, std::string_view who, std::string fallback) {
  if (value.missing()) return fallback;
  if (!value.is_string()) return bad_argument(who, "a text", value);
  return value.str();
}

}  // namespace ocelli::text::jinja
