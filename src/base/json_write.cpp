// Json::dump().
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/json.h"
#include "base/utf8.h"

namespace ocelli::base {
namespace {

class Writer {
 public:
  Writer(std::string& out, int indent) : out_(out), indent_(indent) {}

  void value(const Json& json) {
    switch (json.kind()) {
      case Json::Kind::kNull:
        out_ += "null";
        break;
      case Json::Kind::kBool:
        out_ += json.as_bool() ? "true" : "false";
        break;
      case Json::Kind::kInt:
        out_ += std::to_string(json.as_int());
        break;
      case Json::Kind::kFloat:
        number(json.as_double());
        break;
      case Json::Kind::kString:
        string(json.as_string());
        break;
      case Json::Kind::kArray:
        array(json.items());
        break;
      case Json::Kind::kObject:
        object(json.members());
        break;
    }
  }

 private:
  // The shortest digits that read back equal, laid out as Python's repr() does: plain from 1e-4 to
  // below 1e16, with an exponent outside, always with a mark that it is no integer.
  void number(double d) {
    if (!std::isfinite(d)) {
      out_ += "null";
      return;
    }
    char text[64];
    const double size = std::fabs(d);
    const bool plain = size == 0 || (size >= 1e-4 && size < 1e16);
    const auto end =
        std::to_chars(text, text + sizeof text, d,
                      plain ? std::chars_format::fixed : std::chars_format::scientific);
    const std::string_view digits(text, size_t(end.ptr - text));
    out_ += digits;
    if (plain && digits.find('.') == std::string_view::npos) out_ += ".0";
  }

  void string(std::string_view s) {
    // Strings from parse() are UTF-8; those that a caller built may not be.
    if (!is_valid_utf8(s)) {
      const std::string repaired = replace_invalid_utf8(s);
      return string(repaired);
    }
    static constexpr char kHex[] = "0123456789abcdef";
    out_ += '"';
    for (const char c : s) {
      switch (c) {
        case '"':
          out_ += "\\\"";
          break;
        case '\\':
          out_ += "\\\\";
          break;
        case '\b':
          out_ += "\\b";
          break;
        case '\f':
          out_ += "\\f";
          break;
        case '\n':
          out_ += "\\n";
          break;
        case '\r':
          out_ += "\\r";
          break;
        case '\t':
          out_ += "\\t";
          break;
        default:
          if (static_cast<unsigned char>(c) < 0x20) {
            out_ += "\\u00";
            out_ += kHex[c >> 4];
            out_ += kHex[c & 15];
          } else {
            out_ += c;
          }
      }
    }
    out_ += '"';
  }

  void array(const Json::Array& items) {
    out_ += '[';
    ++depth_;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i) out_ += ',';
      new_line();
      value(items[i]);
    }
    --depth_;
    if (!items.empty()) new_line();
    out_ += ']';
  }

  void object(const std::vector<Json::Member>& members) {
    out_ += '{';
    ++depth_;
    for (size_t i = 0; i < members.size(); ++i) {
      if (i) out_ += ',';
      new_line();
      string(members[i].first);
      out_ += indent_ < 0 ? ":" : ": ";
      value(members[i].second);
    }
    --depth_;
    if (!members.empty()) new_line();
    out_ += '}';
  }

  void new_line() {
    if (indent_ < 0) return;
    out_ += '\n';
    out_.append(size_t(indent_) * depth_, ' ');
  }

  std::string& out_;
  int indent_;
  size_t depth_ = 0;
};

}  // namespace

std::string Json::dump(int indent) const {
  std::string out;
  Writer(out, indent).value(*this);
  return out;
}

}  // namespace ocelli::base
