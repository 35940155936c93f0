// str(), repr() and json.dumps of template values, as Python prints them.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/utf8.h"
#include "text/jinja_ast.h"
#include "text/jinja_text.h"

namespace ocelli::text::jinja {
namespace {

Status check_size(const std::string& out, Meter& meter) {
  if (!meter.spend(1)) return Meter::error();
  if (out.size() <= kMaxOutputBytes) return {};
  return fail(Code::kBadInput, "a text is too large (" + std::to_string(out.size()) +
                                   " bytes, limit " + std::to_string(kMaxOutputBytes) + ")");
}

void append_hex(std::string& out, std::string_view prefix, uint32_t code, int digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out += prefix;
  for (int i = digits - 1; i >= 0; --i) out += kDigits[(code >> (4 * i)) & 15];
}

const std::string& macro_name(const Value& value) { return value.as<MacroBox>().node->text; }

// repr(): lists, dicts, namespaces and whatever they hold. Namespaces may hold themselves.
class Printer {
 public:
  Printer(std::string& out, Meter& meter) : out_(out), meter_(meter) {}

  Status repr(const Value& value) {
    OCELLI_TRY(check_size(out_, meter_));
    if (++depth_ > 2 * kMaxValueDepth) {
      return fail(Code::kBadInput, "a value holds itself and cannot be printed");
    }
    OCELLI_TRY(any(value));
    --depth_;
    return {};
  }

 private:
  Status any(const Value& value) {
    switch (value.kind()) {
      case Kind::kMissing:
      case Kind::kUndefined: out_ += "Undefined"; return {};
      case Kind::kNone: out_ += "None"; return {};
      case Kind::kBool: out_ += value.as_bool() ? "True" : "False"; return {};
      case Kind::kInt: out_ += std::to_string(value.as_int()); return {};
      case Kind::kFloat: out_ += format_double(value.as_double()); return {};
      case Kind::kString:
        if (!meter_.spend_bytes(value.str().size())) return Meter::error();
        out_ += value.markup() ? "Markup(" + quoted(value.str()) + ")" : quoted(value.str());
        return {};
      case Kind::kList: return sequence(value.items(), "[", "]");
      case Kind::kTuple: return sequence(value.items(), "(", value.items().size() == 1 ? ",)" : ")");
      case Kind::kDict: return dict(value.dict());
      case Kind::kView: return view(value.as<ViewBox>());
      case Kind::kRange: range(value.as<RangeBox>()); return {};
      case Kind::kNamespace:
        out_ += "<Namespace ";
        OCELLI_TRY(dict(value.as<NamespaceBox>().members));
        out_ += ">";
        return {};
      case Kind::kMacro: out_ += "<Macro " + quoted(macro_name(value)) + ">"; return {};
      default:
        return fail(Code::kBadInput, "a " + std::string(type_name(value)) +
                                         " cannot be printed; call it, or turn it into a list");
    }
  }

  Status sequence(const std::vector<Value>& items, const char* open, const char* close) {
    out_ += open;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += ", ";
      OCELLI_TRY(repr(items[i]));
    }
    out_ += close;
    return {};
  }

  Status dict(const DictBox& dict) {
    out_ += "{";
    for (size_t i = 0; i < dict.entries.size(); ++i) {
      if (i > 0) out_ += ", ";
      OCELLI_TRY(repr(dict.entries[i].key));
      out_ += ": ";
      OCELLI_TRY(repr(dict.entries[i].value));
    }
    out_ += "}";
    return {};
  }

  Status view(const ViewBox& view) {
    const auto& entries = view.dict.dict().entries;
    const bool items = view.what == ViewBox::What::kItems;
    out_ += items ? "dict_items([" : view.what == ViewBox::What::kKeys ? "dict_keys(["
                                                                        : "dict_values([";
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out_ += ", ";
      if (items) out_ += "(";
      if (view.what != ViewBox::What::kValues) OCELLI_TRY(repr(entries[i].key));
      if (items) out_ += ", ";
      if (view.what != ViewBox::What::kKeys) OCELLI_TRY(repr(entries[i].value));
      if (items) out_ += ")";
    }
    out_ += "])";
    return {};
  }

  void range(const RangeBox& range) {
    out_ += "range(" + std::to_string(range.start) + ", " + std::to_string(range.stop);
    if (range.step != 1) out_ += ", " + std::to_string(range.step);
    out_ += ")";
  }

  std::string& out_;
  Meter& meter_;
  int depth_ = 0;
};

std::string json_double(double d) {
  if (std::isnan(d)) return "NaN";
  if (std::isinf(d)) return d > 0 ? "Infinity" : "-Infinity";
  return format_double(d);
}

void append_json_string(std::string& out, std::string_view text, bool ascii) {
  out += '"';
  for (size_t at = 0; at < text.size();) {
    const base::Utf8Char c = base::next_utf8(text, at);
    const uint32_t p = c.code_point;
    static constexpr std::string_view kFrom = "\"\\\n\r\t\b\f", kTo = "\"\\nrtbf";
    const size_t simple = p < 0x80 ? kFrom.find(static_cast<char>(p)) : std::string_view::npos;
    if (simple != std::string_view::npos) {
      out += '\\';
      out += kTo[simple];
    } else if (p < 0x20 || (ascii && p >= 0x7F && p < 0x10000)) {
      append_hex(out, "\\u", p, 4);
    } else if (ascii && p >= 0x10000) {
      append_hex(out, "\\u", 0xD800 + ((p - 0x10000) >> 10), 4);
      append_hex(out, "\\u", 0xDC00 + ((p - 0x10000) & 0x3FF), 4);
    } else {
      out += text.substr(at, c.bytes);
    }
    at += c.bytes;
  }
  out += '"';
}

class JsonPrinter {
 public:
  JsonPrinter(std::string& out, const JsonStyle& style, Meter& meter)
      : out_(out), style_(style), meter_(meter) {}

  Status any(const Value& value) {
    OCELLI_TRY(check_size(out_, meter_));
    switch (value.kind()) {
      case Kind::kNone: out_ += "null"; return {};
      case Kind::kBool: out_ += value.as_bool() ? "true" : "false"; return {};
      case Kind::kInt: out_ += std::to_string(value.as_int()); return {};
      case Kind::kFloat: out_ += json_double(value.as_double()); return {};
      case Kind::kString:
        if (!meter_.spend_bytes(value.str().size())) return Meter::error();
        append_json_string(out_, value.str(), style_.ascii);
        return {};
      case Kind::kList:
      case Kind::kTuple: return array(value.items());
      case Kind::kDict: return object(value.dict());
      default:
        return fail(Code::kBadInput, "a value of type " + std::string(type_name(value)) +
                                         " cannot be written as JSON");
    }
  }

 private:
  void line_break() {
    if (!style_.multiline) return;
    out_ += '\n';
    for (int i = 0; i < level_; ++i) out_ += style_.indent;
  }

  Status array(const std::vector<Value>& items) {
    if (items.empty()) return out_ += "[]", Status();
    out_ += '[';
    ++level_;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      line_break();
      OCELLI_TRY(any(items[i]));
    }
    --level_;
    line_break();
    out_ += ']';
    return {};
  }

  Status object(const DictBox& dict) {
    if (dict.entries.empty()) return out_ += "{}", Status();
    std::vector<const DictBox::Entry*> entries;
    for (const DictBox::Entry& entry : dict.entries) entries.push_back(&entry);
    if (style_.sort_keys) OCELLI_TRY(sort(entries));
    out_ += '{';
    ++level_;
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      line_break();
      OCELLI_TRY(key(entries[i]->key));
      out_ += style_.key_separator;
      OCELLI_TRY(any(entries[i]->value));
    }
    --level_;
    line_break();
    out_ += '}';
    return {};
  }

  Status sort(std::vector<const DictBox::Entry*>& entries) {
    Status status;
    std::stable_sort(entries.begin(), entries.end(), [&](const auto* a, const auto* b) {
      if (!status.ok()) return false;
      const Result<bool> less = value_less(a->key, b->key, meter_);
      if (!less.ok()) status = less.error();
      return less.ok() && *less;
    });
    return status;
  }

  Status key(const Value& key) {
    std::string text;
    switch (key.kind()) {
      case Kind::kString: text = key.str(); break;
      case Kind::kNone: text = "null"; break;
      case Kind::kBool: text = key.as_bool() ? "true" : "false"; break;
      case Kind::kInt: text = std::to_string(key.as_int()); break;
      case Kind::kFloat: text = json_double(key.as_double()); break;
      default:
        return fail(Code::kBadInput, "a key of type " + std::string(type_name(key)) +
                                         " cannot be written as JSON");
    }
    append_json_string(out_, text, style_.ascii);
    return {};
  }

  std::string& out_;
  const JsonStyle& style_;
  Meter& meter_;
  int level_ = 0;
};

}  // namespace

std::string format_double(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<size_t>(end.ptr - buffer));
  const size_t e = text.find('e');
  int exponent = 0;
  const char* digits_of_exponent = buffer + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits_of_exponent, end.ptr, exponent);
  if (exponent < -4 || exponent >= 16) return std::string(text);
  std::string digits, out;
  for (char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  if (std::signbit(value)) out += '-';
  if (exponent < 0) {
    out += "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
    return out;
  }
  const auto whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return out + digits + std::string(whole - digits.size(), '0') + ".0";
  return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string quoted(std::string_view text) {
  const bool single = text.find('\'') != std::string_view::npos;
  const char quote = single && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    const base::Utf8Char c = base::next_utf8(text, at);
    const uint32_t p = c.code_point;
    if (p == static_cast<uint32_t>(quote) || p == '\\') {
      out += '\\';
      out += static_cast<char>(p);
    } else if (p == '\n' || p == '\r' || p == '\t') {
      out += p == '\n' ? "\\n" : p == '\r' ? "\\r" : "\\t";
    } else if (is_printable(p)) {
      out += text.substr(at, c.bytes);
    } else {
      append_hex(out, p < 0x100 ? "\\x" : p < 0x10000 ? "\\u" : "\\U", p,
                 p < 0x100 ? 2 : p < 0x10000 ? 4 : 8);
    }
    at += c.bytes;
  }
  return out += quote;
}

Status append_str(std::string& out, const Value& value, Meter& meter) {
  if (value.is_string()) {
    if (!meter.spend_bytes(value.str().size())) return Meter::error();
    out += value.str();
  } else if (!value.is_undefined()) {
    OCELLI_TRY(Printer(out, meter).repr(value));
  }
  return check_size(out, meter);
}

Status append_repr(std::string& out, const Value& value, Meter& meter) {
  OCELLI_TRY(Printer(out, meter).repr(value));
  return check_size(out, meter);
}

Status append_json(std::string& out, const Value& value, const JsonStyle& style, Meter& meter) {
  OCELLI_TRY(JsonPrinter(out, style, meter).any(value));
  return check_size(out, meter);
}

}  // namespace ocelli::text::jinja
