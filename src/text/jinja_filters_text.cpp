// Filters that make text.
#include <algorithm>

#include "base/utf8.h"
#include "text/jinja_filters.h"
#include "text/jinja_text.h"

namespace ocelli::text::jinja {
namespace {

using View = std::string_view;

// Markup stays; everything else becomes a text.
Result<Value> soft_text(Interpreter& in, const Value& value) {
  if (value.is_string()) return value;
  OCELLI_ASSIGN(std::string text, in.str(value));
  return in.string(std::move(text));
}

// A filter that is a method of str.
Result<Value> as_method(Interpreter& in, const Value& self, const Args& args, View method) {
  OCELLI_ASSIGN(const Value text, soft_text(in, self));
  return find_str_method(method)(in, text, args);
}

Result<Value> upper(Interpreter& in, const Value& self, const Args& args) {
  return as_method(in, self, args, "upper");
}
Result<Value> lower(Interpreter& in, const Value& self, const Args& args) {
  return as_method(in, self, args, "lower");
}
Result<Value> capitalize(Interpreter& in, const Value& self, const Args& args) {
  return as_method(in, self, args, "capitalize");
}

Result<Value> trim(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "trim", {"chars"}, 0));
  Args chars;
  if (!arg[0].missing()) chars.positional.push_back(arg[0]);
  return as_method(in, self, chars, "strip");
}

Result<Value> center(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "center", {"width"}, 0));
  Args width;
  width.positional.push_back(arg[0].missing() ? Value::integer(80) : arg[0]);
  return as_method(in, self, width, "center");
}

// Words begin after white space, brackets and hyphens; unlike str.title(), not after apostrophes.
Result<Value> title(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "title", {}, 0));
  OCELLI_ASSIGN(const Value text, soft_text(in, self));
  const View view = text.str();
  const auto separates = [](uint32_t c) {
    return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || is_space(c);
  };
  std::string out;
  for (size_t at = 0; at < view.size();) {
    const base::Utf8Char c = base::next_utf8(view, at);
    if (separates(c.code_point)) {
      out += view.substr(at, c.bytes);
      at += c.bytes;
      continue;
    }
    size_t end = at + c.bytes;
    while (end < view.size()) {
      const base::Utf8Char next = base::next_utf8(view, end);
      if (separates(next.code_point)) break;
      end += next.bytes;
    }
    out += to_upper(view.substr(at, c.bytes));
    out += to_lower(view.substr(at + c.bytes, end - at - c.bytes));
    at = end;
  }
  return in.string(std::move(out));
}

Result<Value> replace(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "replace", {"old", "new", "count"}, 2));
  OCELLI_ASSIGN(std::string text, in.str(self));
  OCELLI_ASSIGN(std::string old, in.str(arg[0]));
  OCELLI_ASSIGN(std::string with, in.str(arg[1]));
  Args plain;
  plain.positional = {Value::string(std::move(old)), Value::string(std::move(with))};
  if (!arg[2].missing() && !arg[2].is_none()) plain.positional.push_back(arg[2]);
  return find_str_method("replace")(in, Value::string(std::move(text)), plain);
}

Result<Value> string(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "string", {}, 0));
  return soft_text(in, self);
}

Result<Value> safe(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "safe", {}, 0));
  OCELLI_ASSIGN(std::string text, in.str(self));
  return in.string(std::move(text), true);
}

Result<Value> escape(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "escape", {}, 0));
  if (self.markup()) return self;
  OCELLI_ASSIGN(const std::string text, in.str(self));
  return in.string(escape_html(text), true);
}

Result<Value> force_escape(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "forceescape", {}, 0));
  OCELLI_ASSIGN(const std::string text, in.str(self));
  return in.string(escape_html(text), true);
}

Result<Value> indent(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "indent", {"width", "first", "blank"}, 0));
  if (!self.is_string()) return bad_argument("indent", "a text", self);
  std::string by;
  if (arg[0].is_string()) {
    by = arg[0].str();
  } else {
    OCELLI_ASSIGN(const int64_t width, int_arg(arg[0], "indent", 4));
    if (width > static_cast<int64_t>(kMaxRange)) {
      return fail(Code::kBadInput, "indent: the width is too large (" + std::to_string(width) +
                                       ", limit " + std::to_string(kMaxRange) + ")");
    }
    by.assign(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
  }
  if (self.markup() && !arg[0].markup()) by = escape_html(by);
  const bool first = arg[1].truthy(), blank = arg[2].truthy();
  // A newline is added and goes again with the splitting, so that a last empty line counts.
  const std::string text = self.str() + "\n";
  const std::vector<View> lines = split_lines(text, false);
  std::string out;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += '\n';
    if (i == 0 ? first : blank || !lines[i].empty()) out += by;
    out += lines[i];
    if (out.size() > kMaxOutputBytes) break;
  }
  return in.string(std::move(out), self.markup());
}

Result<Value> truncate(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg,
                bind(args, "truncate", {"length", "killwords", "end", "leeway"}, 0));
  if (self.is_undefined()) return self;
  if (!self.is_string()) return bad_argument("truncate", "a text", self);
  OCELLI_ASSIGN(const int64_t length, int_arg(arg[0], "truncate", 255));
  OCELLI_ASSIGN(const std::string end, str_arg(arg[2], "truncate", "..."));
  OCELLI_ASSIGN(const int64_t leeway, int_arg(arg[3].is_none() ? Value() : arg[3], "truncate", 5));
  const auto end_size = static_cast<int64_t>(count_chars(end));
  if (length < end_size || leeway < 0) return fail(Code::kBadInput, "truncate: bad length");
  if (self.char_count() <= leeway || self.char_count() - leeway <= length) return self;
  const View text = self.str();
  View kept = text.substr(0, offset_of_char(text, static_cast<size_t>(length - end_size)));
  if (!arg[1].truthy()) kept = kept.substr(0, std::min(kept.rfind(' '), kept.size()));
  return in.string(std::string(kept) + end, self.markup());
}

Result<Value> word_count(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "wordcount", {}, 0));
  OCELLI_ASSIGN(const Value text, soft_text(in, self));
  const View view = text.str();
  int64_t count = 0;
  bool inside = false;
  for (size_t at = 0; at < view.size();) {
    const base::Utf8Char c = base::next_utf8(view, at);
    const bool word = c.code_point == '_' || is_alpha(c.code_point) || is_numeric(c.code_point);
    if (word && !inside) ++count;
    inside = word;
    at += c.bytes;
  }
  return Value::integer(count);
}

Result<Value> format(Interpreter& in, const Value& self, const Args& args) {
  if (!args.positional.empty() && !args.named.empty()) {
    return fail(Code::kBadInput, "format takes values by position or by name, not both");
  }
  OCELLI_ASSIGN(const Value text, soft_text(in, self));
  if (args.named.empty()) {
    OCELLI_ASSIGN(const Value values, make_tuple(args.positional));
    return percent_format(in, text, values);
  }
  DictBox dict;
  for (const auto& [name, value] : args.named) {
    OCELLI_TRY(dict.set(Value::string(name), value, in.meter()));
  }
  OCELLI_ASSIGN(const Value values, make_dict(std::move(dict)));
  return percent_format(in, text, values);
}

Result<Value> to_json(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "tojson",
                                      {"ensure_ascii", "indent", "separators", "sort_keys"}, 0));
  JsonStyle style;
  style.ascii = arg[0].truthy();
  style.sort_keys = arg[3].truthy();
  if (!arg[1].missing() && !arg[1].is_none()) {
    style.multiline = true;
    style.item_separator = ",";
    if (arg[1].is_string()) {
      style.indent = arg[1].str();
    } else {
      OCELLI_ASSIGN(const int64_t width, int_arg(arg[1], "tojson", 0));
      style.indent.assign(static_cast<size_t>(std::clamp<int64_t>(width, 0, kMaxRange)), ' ');
    }
  }
  if (!arg[2].missing() && !arg[2].is_none()) {
    OCELLI_ASSIGN(const std::vector<Value> pair, in.list(arg[2]));
    if (pair.size() != 2) return fail(Code::kBadInput, "tojson: separators are a pair");
    OCELLI_ASSIGN(style.item_separator, str_arg(pair[0], "tojson", ""));
    OCELLI_ASSIGN(style.key_separator, str_arg(pair[1], "tojson", ""));
  }
  std::string out;
  OCELLI_TRY(append_json(out, self, style, in.meter()));
  return in.string(std::move(out));
}

void append_quoted(std::string& out, View text, View safe) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte < 0x80 && std::isalnum(byte) != 0) || View("_.-~").find(c) != View::npos;
    if (plain || safe.find(c) != View::npos) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
}

Result<Value> url_encode(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "urlencode", {}, 0));
  std::string out;
  if (self.is_string() || !Iteration::possible(self)) {
    OCELLI_ASSIGN(const std::string text, in.str(self));
    append_quoted(out, text, "/");
    return in.string(std::move(out));
  }
  std::vector<Value> pairs;
  if (self.is(Kind::kDict)) {
    for (const DictBox::Entry& entry : self.dict().entries) {
      OCELLI_ASSIGN(Value pair, make_tuple({entry.key, entry.value}));
      pairs.push_back(std::move(pair));
    }
  } else {
    OCELLI_ASSIGN(pairs, in.list(self));
  }
  for (const Value& pair : pairs) {
    OCELLI_ASSIGN(const std::vector<Value> parts, in.list(pair));
    if (parts.size() != 2) return fail(Code::kBadInput, "urlencode: pairs expected");
    if (!out.empty()) out += '&';
    for (size_t i = 0; i < 2; ++i) {
      if (i > 0) out += '=';
      OCELLI_ASSIGN(const std::string text, in.str(parts[i]));
      std::string quoted_part;
      append_quoted(quoted_part, text, " ");
      std::replace(quoted_part.begin(), quoted_part.end(), ' ', '+');
      out += quoted_part;
    }
  }
  return in.string(std::move(out));
}

Result<Value> unsupported(Interpreter&, const Value&, const Args&) {
  return fail(Code::kBadInput, "this filter is known but not supported in chat templates");
}

constexpr NamedNative kFilters[] = {
    {"upper", upper},         {"lower", lower},
    {"capitalize", capitalize}, {"title", title},
    {"trim", trim},           {"center", center},
    {"replace", replace},     {"string", string},
    {"safe", safe},           {"escape", escape},
    {"e", escape},            {"forceescape", force_escape},
    {"indent", indent},       {"truncate", truncate},
    {"wordcount", word_count}, {"format", format},
    {"tojson", to_json},      {"urlencode", url_encode},
    {"filesizeformat", unsupported}, {"pprint", unsupported},
    {"random", unsupported},  {"striptags", unsupported},
    {"urlize", unsupported},  {"wordwrap", unsupported},
    {"xmlattr", unsupported}};

}  // namespace

Native find_text_filter(std::string_view name) {
  for (const NamedNative& filter : kFilters) {
    if (filter.name == name) return filter.call;
  }
  return nullptr;
}

Native find_filter(std::string_view name) {
  if (const Native call = find_text_filter(name)) return call;
  if (const Native call = find_sequence_filter(name)) return call;
  return find_number_filter(name);
}

}  // namespace ocelli::text::jinja
