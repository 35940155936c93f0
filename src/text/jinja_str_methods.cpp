// Methods of Python's str.
#include <algorithm>
#include <functional>

#include "base/utf8.h"
#include "text/jinja_filters.h"
#include "text/jinja_text.h"

namespace ocelli::text::jinja {
namespace {

using View = std::string_view;

// --- the same text in another form ---

template <std::string (*kChange)(View)>
Result<Value> changed(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "a text's method", {}, 0));
  return in.string(kChange(self.str()), self.markup());
}

enum class Side { kLeft, kRight, kBoth };

template <Side kSide>
Result<Value> strip(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "strip", {"_chars"}, 0));
  View text = self.str();
  if (arg[0].missing() || arg[0].is_none()) {
    if (kSide != Side::kRight) text = strip_left(text);
    if (kSide != Side::kLeft) text = strip_right(text);
  } else {
    if (!arg[0].is_string()) return bad_argument("strip", "a text", arg[0]);
    if (kSide != Side::kRight) text = strip_left(text, arg[0].str());
    if (kSide != Side::kLeft) text = strip_right(text, arg[0].str());
  }
  return in.string(std::string(text), self.markup());
}

Result<Value> replace(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "replace", {"_old", "_new", "_count"}, 2));
  OCELLI_ASSIGN(const std::string old, str_arg(arg[0], "replace", ""));
  OCELLI_ASSIGN(std::string with, str_arg(arg[1], "replace", ""));
  OCELLI_ASSIGN(int64_t left, int_arg(arg[2], "replace", -1));
  if (self.markup() && !arg[1].markup()) with = escape_html(with);
  const View text = self.str();
  std::string out;
  size_t at = 0;
  while (left != 0) {
    // Nothing is found before each character and at the end.
    const size_t found = find_first(text, old, at);
    if (found == View::npos) break;
    out += text.substr(at, found - at);
    out += with;
    at = found + old.size();
    --left;
    if (old.empty()) {
      if (at >= text.size()) break;
      const size_t bytes = base::next_utf8(text, at).bytes;
      out += text.substr(at, bytes);
      at += bytes;
      if (left == 0) break;
    }
    if (out.size() > kMaxOutputBytes) return in.string(std::move(out));
  }
  if (at < text.size()) out += text.substr(at);
  return in.string(std::move(out), self.markup());
}

Result<Value> pad(Interpreter& in, const Value& self, const Args& args, Side side) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "padding", {"_width", "_fill"}, 1));
  OCELLI_ASSIGN(const int64_t width, int_arg(arg[0], "padding", 0));
  OCELLI_ASSIGN(const std::string fill, str_arg(arg[1], "padding", " "));
  if (count_chars(fill) != 1) return fail(Code::kBadInput, "padding needs one character to fill");
  const int64_t missing = width - self.char_count();
  if (missing <= 0) return self;
  if (missing > static_cast<int64_t>(kMaxOutputBytes)) {
    return fail(Code::kBadInput, "a text is too large (" + std::to_string(width) +
                                     " characters, limit " + std::to_string(kMaxOutputBytes) + ")");
  }
  // str.center puts the odd one left when the width is odd.
  const int64_t left = side == Side::kLeft    ? 0
                       : side == Side::kRight ? missing
                                              : missing / 2 + (missing & width & 1);
  std::string out;
  for (int64_t i = 0; i < left; ++i) out += fill;
  out += self.str();
  for (int64_t i = left; i < missing; ++i) out += fill;
  return in.string(std::move(out), self.markup());
}

Result<Value> ljust(Interpreter& in, const Value& self, const Args& args) {
  return pad(in, self, args, Side::kLeft);
}
Result<Value> rjust(Interpreter& in, const Value& self, const Args& args) {
  return pad(in, self, args, Side::kRight);
}
Result<Value> center(Interpreter& in, const Value& self, const Args& args) {
  return pad(in, self, args, Side::kBoth);
}

Result<Value> zfill(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "zfill", {"_width"}, 1));
  const View text = self.str();
  const bool sign = text.starts_with('+') || text.starts_with('-');
  Args padding;
  OCELLI_ASSIGN(const int64_t width, int_arg(arg[0], "zfill", 0));
  padding.positional = {Value::integer(width - (sign ? 1 : 0)), Value::string("0")};
  const Value digits = Value::string(std::string(sign ? text.substr(1) : text));
  OCELLI_ASSIGN(const Value padded, pad(in, digits, padding, Side::kRight));
  return in.string((sign ? std::string(1, text[0]) : std::string()) + padded.str(), self.markup());
}

Result<Value> remove_prefix(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "removeprefix", {"_prefix"}, 1));
  OCELLI_ASSIGN(const std::string part, str_arg(arg[0], "removeprefix", ""));
  const bool has = self.str().starts_with(part);
  return in.string(has ? self.str().substr(part.size()) : self.str(), self.markup());
}

Result<Value> remove_suffix(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "removesuffix", {"_suffix"}, 1));
  OCELLI_ASSIGN(const std::string part, str_arg(arg[0], "removesuffix", ""));
  const bool has = self.str().ends_with(part);
  return in.string(has ? self.str().substr(0, self.str().size() - part.size()) : self.str(),
                   self.markup());
}

Result<Value> expand_tabs(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "expandtabs", {"tabsize"}, 0));
  OCELLI_ASSIGN(const int64_t size, int_arg(arg[0], "expandtabs", 8));
  std::string out;
  int64_t column = 0;
  for (char c : self.str()) {
    if (c == '\t') {
      const int64_t fill = size > 0 ? size - column % size : 0;
      if (fill > static_cast<int64_t>(kMaxOutputBytes - std::min(out.size(), kMaxOutputBytes))) {
        return fail(Code::kBadInput, "a text is too large (limit " +
                                         std::to_string(kMaxOutputBytes) + " bytes)");
      }
      out.append(static_cast<size_t>(fill), ' ');
      column += fill;
    } else {
      out += c;
      if (c == '\n' || c == '\r') {
        column = 0;
      } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
        ++column;
      }
    }
  }
  return in.string(std::move(out), self.markup());
}

// --- parts ---

Result<Value> list_of(Interpreter& in, const Value& self, const std::vector<View>& parts) {
  std::vector<Value> items;
  items.reserve(parts.size());
  for (View part : parts) {
    OCELLI_ASSIGN(Value item, in.string(std::string(part), self.markup()));
    items.push_back(std::move(item));
  }
  return make_list(std::move(items));
}

std::vector<View> split_space(View text, int64_t limit) {
  std::vector<View> parts;
  text = strip_left(text);
  while (!text.empty()) {
    if (limit-- == 0) {
      parts.push_back(text);  // with the white space at its end
      return parts;
    }
    size_t end = 0;
    while (end < text.size()) {
      const base::Utf8Char c = base::next_utf8(text, end);
      if (is_space(c.code_point)) break;
      end += c.bytes;
    }
    parts.push_back(text.substr(0, end));
    text = strip_left(text.substr(end));
  }
  return parts;
}

std::vector<View> rsplit_space(View text, int64_t limit) {
  std::vector<View> parts;
  text = strip_right(text);
  while (!text.empty()) {
    if (limit-- == 0) {
      parts.push_back(text);
      break;
    }
    size_t start = text.size();
    while (start > 0) {
      size_t at = start - 1;
      while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
      if (is_space(base::next_utf8(text, at).code_point)) break;
      start = at;
    }
    parts.push_back(text.substr(start));
    text = strip_right(text.substr(0, start));
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

Result<Value> split_either(Interpreter& in, const Value& self, const Args& args, bool right) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "split", {"sep", "maxsplit"}, 0));
  OCELLI_ASSIGN(int64_t limit, int_arg(arg[1], "split", -1));
  if (limit < 0) limit = -1;
  View text = self.str();
  if (arg[0].missing() || arg[0].is_none()) {
    return list_of(in, self, right ? rsplit_space(text, limit) : split_space(text, limit));
  }
  OCELLI_ASSIGN(const std::string separator, str_arg(arg[0], "split", ""));
  if (separator.empty()) return fail(Code::kBadInput, "split: the separator is empty");
  std::vector<View> parts;
  while (limit-- != 0) {
    const size_t found = right ? find_last(text, separator) : find_first(text, separator);
    if (found == View::npos) break;
    parts.push_back(right ? text.substr(found + separator.size()) : text.substr(0, found));
    text = right ? text.substr(0, found) : text.substr(found + separator.size());
    if (!in.meter().spend(1)) return Meter::error();
  }
  parts.push_back(text);
  if (right) std::reverse(parts.begin(), parts.end());
  return list_of(in, self, parts);
}

Result<Value> split(Interpreter& in, const Value& self, const Args& args) {
  return split_either(in, self, args, false);
}
Result<Value> rsplit(Interpreter& in, const Value& self, const Args& args) {
  return split_either(in, self, args, true);
}

Result<Value> splitlines(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "splitlines", {"keepends"}, 0));
  return list_of(in, self, split_lines(self.str(), arg[0].truthy()));
}

template <bool kRight>
Result<Value> partition(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "partition", {"_sep"}, 1));
  OCELLI_ASSIGN(const std::string separator, str_arg(arg[0], "partition", ""));
  if (separator.empty()) return fail(Code::kBadInput, "partition: the separator is empty");
  const View text = self.str();
  const size_t found = kRight ? find_last(text, separator) : find_first(text, separator);
  std::vector<View> parts = {text, "", ""};
  if (found != View::npos) {
    parts = {text.substr(0, found), separator, text.substr(found + separator.size())};
  } else if (kRight) {
    parts = {"", "", text};
  }
  OCELLI_ASSIGN(const Value list, list_of(in, self, parts));
  return make_tuple(list.items());
}

Result<Value> join(Interpreter& in, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "join", {"_items"}, 1));
  if (!Iteration::possible(arg[0])) return bad_argument("join", "a list", arg[0]);
  OCELLI_ASSIGN(Iteration items, Iteration::over(arg[0]));
  std::string out;
  for (bool first = true;; first = false) {
    OCELLI_ASSIGN(const Value item, items.next(in.meter()));
    if (item.missing()) return in.string(std::move(out), self.markup());
    if (!item.is_string()) return bad_argument("join", "texts", item);
    if (!first) out += self.str();
    out += self.markup() && !item.markup() ? escape_html(item.str()) : item.str();
    if (!in.meter().spend_bytes(self.str().size() + item.str().size())) return Meter::error();
    if (out.size() > kMaxOutputBytes) return in.string(std::move(out));
  }
}

// --- searching: positions are in characters ---

struct Window {
  size_t from = 0, to = 0;  // bytes
  bool empty_reachable = true;
};

Result<Window> window(const Value& self, const Value& start, const Value& stop) {
  const int64_t size = self.char_count();
  const auto clamp = [&](const Value& part, int64_t fallback) -> Result<int64_t> {
    if (part.is_none()) return fallback;
    OCELLI_ASSIGN(int64_t at, int_arg(part, "find", fallback));
    if (at < 0) at = at < -size ? 0 : at + size;
    return at;
  };
  OCELLI_ASSIGN(const int64_t from, clamp(start, 0));
  OCELLI_ASSIGN(int64_t to, clamp(stop, size));
  to = std::min(to, size);
  Window window;
  window.empty_reachable = from <= to;
  window.from = offset_of_char(self.str(), static_cast<size_t>(std::min(from, size)));
  window.to = offset_of_char(self.str(), static_cast<size_t>(to));
  return window;
}

template <bool kRight, bool kMust>
Result<Value> find(Interpreter&, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "find", {"_sub", "_start", "_end"}, 1));
  OCELLI_ASSIGN(const std::string what, str_arg(arg[0], "find", ""));
  OCELLI_ASSIGN(const Window in, window(self, arg[1], arg[2]));
  size_t found = View::npos;
  if (in.empty_reachable) {
    found = kRight ? find_last(self.str(), what, in.from, in.to)
                   : find_first(self.str(), what, in.from, in.to);
  }
  if (found == View::npos) {
    if (kMust) return fail(Code::kBadInput, "index: the text is not found");
    return Value::integer(-1);
  }
  return Value::integer(static_cast<int64_t>(count_chars(View(self.str()).substr(0, found))));
}

Result<Value> count(Interpreter&, const Value& self, const Args& args) {
  OCELLI_ASSIGN(const Bound arg, bind(args, "count", {"_sub", "_start", "_end"}, 1));
  OCELLI_ASSIGN(const std::string what, str_arg(arg[0], "count", ""));
  OCELLI_ASSIGN(const Window in, window(self, arg[1], arg[2]));
  if (!in.empty_reachable) return Value::integer(0);
  const View text = View(self.str()).substr(in.from, in.to - in.from);
  if (what.empty()) return Value::integer(static_cast<int64_t>(count_chars(text)) + 1);
  int64_t count = 0;
  for (size_t at = find_first(text, what); at != View::npos;
       at = find_first(text, what, at + what.size())) {
    ++count;
  }
  return Value::integer(count);
}

template <bool kEnd>
Result<Value> starts_or_ends(Interpreter&, const Value& self, const Args& args) {
  const char* who = kEnd ? "endswith" : "startswith";
  OCELLI_ASSIGN(const Bound arg, bind(args, who, {"_text", "_start", "_end"}, 1));
  OCELLI_ASSIGN(const Window in, window(self, arg[1], arg[2]));
  if (!in.empty_reachable) return Value::boolean(false);
  const View text = View(self.str()).substr(in.from, in.to - in.from);
  std::vector<Value> choices = {arg[0]};
  if (arg[0].is(Kind::kTuple)) choices = arg[0].items();
  for (const Value& choice : choices) {
    if (!choice.is_string()) return bad_argument(who, "a text or a tuple of texts", choice);
    if (kEnd ? text.ends_with(choice.str()) : text.starts_with(choice.str())) {
      return Value::boolean(true);
    }
  }
  return Value::boolean(false);
}

// --- questions ---

template <bool (*kTest)(uint32_t)>
Result<Value> all(Interpreter&, const Value& self, const Args& args) {
  OCELLI_TRY(bind(args, "a text's method", {}, 0));
  const View text = self.str();
  bool good = !text.empty();
  for (size_t at = 0; at < text.size() && good;) {
    const base::Utf8Char c = base::next_utf8(text, at);
    good = kTest(c.code_point);
    at += c.bytes;
  }
  return Value::boolean(good);
}

bool is_alnum(uint32_t c) { return is_alpha(c) || is_numeric(c); }

template <bool (*kWrong)(uint32_t), bool (*kRight)(uint32_t)>
Result<Value> cased(Interpreter&, const Value& self, const Args&) {
  const View text = self.str();
  bool any = false;
  for (size_t at = 0; at < text.size();) {
    const base::Utf8Char c = base::next_utf8(text, at);
    if (kWrong(c.code_point) || (is_cased(c.code_point) && !kRight(c.code_point))) {
      return Value::boolean(false);
    }
    any = any || kRight(c.code_point);
    at += c.bytes;
  }
  return Value::boolean(any);
}

Result<Value> is_title(Interpreter&, const Value& self, const Args&) {
  const View text = self.str();
  bool any = false, inside = false;
  for (size_t at = 0; at < text.size();) {
    const base::Utf8Char c = base::next_utf8(text, at);
    const bool low = is_lower(c.code_point), has_case = is_cased(c.code_point);
    if (has_case && low != inside) return Value::boolean(false);
    any = any || has_case;
    inside = has_case;
    at += c.bytes;
  }
  return Value::boolean(any);
}

Result<Value> is_ascii(Interpreter&, const Value& self, const Args&) {
  return Value::boolean(std::all_of(self.str().begin(), self.str().end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x80;
  }));
}

Result<Value> is_identifier(Interpreter&, const Value& self, const Args&) {
  return Value::boolean(!self.str().empty() && name_length(self.str()) == self.str().size());
}

Result<Value> format(Interpreter& in, const Value& self, const Args& args) {
  return brace_format(in, self, args);
}

constexpr NamedNative kMethods[] = {
    {"strip", strip<Side::kBoth>},
    {"lstrip", strip<Side::kLeft>},
    {"rstrip", strip<Side::kRight>},
    {"replace", replace},
    {"split", split},
    {"rsplit", rsplit},
    {"splitlines", splitlines},
    {"join", join},
    {"startswith", starts_or_ends<false>},
    {"endswith", starts_or_ends<true>},
    {"upper", changed<to_upper>},
    {"lower", changed<to_lower>},
    {"title", changed<to_title>},
    {"capitalize", changed<to_capitalized>},
    {"swapcase", changed<to_swapped>},
    {"casefold", changed<to_folded>},
    {"find", find<false, false>},
    {"rfind", find<true, false>},
    {"index", find<false, true>},
    {"rindex", find<true, true>},
    {"count", count},
    {"format", format},
    {"partition", partition<false>},
    {"rpartition", partition<true>},
    {"removeprefix", remove_prefix},
    {"removesuffix", remove_suffix},
    {"ljust", ljust},
    {"rjust", rjust},
    {"center", center},
    {"zfill", zfill},
    {"expandtabs", expand_tabs},
    {"isalpha", all<is_alpha>},
    {"isdecimal", all<is_decimal>},
    {"isdigit", all<is_decimal>},
    {"isnumeric", all<is_numeric>},
    {"isalnum", all<is_alnum>},
    {"isspace", all<is_space>},
    {"isupper", cased<is_lower, is_upper>},
    {"islower", cased<is_upper, is_lower>},
    {"istitle", is_title},
    {"isascii", is_ascii},
    {"isidentifier", is_identifier},
};

}  // namespace

Native find_str_method(std::string_view name) {
  for (const NamedNative& method : kMethods) {
    if (method.name == name) return method.call;
  }
  return nullptr;
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace ocelli::text::jinja
