// Json::parse(): the grammar is nlohmann's SAX parser, which keeps its own stack; the values and
// the limits are ours.
#include <algorithm>
#include <cstring>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/json_index.h"

namespace ocelli::base {
namespace {

// dump(), == and the destructor recurse, so no caller may raise the depth above this.
constexpr int kMostDepth = 1000;
// Of one text, number or stretch of white space: the parser holds it several times over.
constexpr size_t kMaxTokenBytes = size_t{32} << 20;
constexpr size_t kShownBytes = 200;  // of what the parser says and of a key

// Walks over the text and lets the handler know how far the parser has read.
struct Cursor {
  using iterator_category = std::forward_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at = nullptr;
  const char** seen = nullptr;

  reference operator*() const { return *at; }
  Cursor& operator++() {
    *seen = ++at;
    return *this;
  }
  Cursor operator++(int) {
    Cursor old = *this;
    ++*this;
    return old;
  }
  bool operator==(const Cursor& other) const { return at == other.at; }
  bool operator!=(const Cursor& other) const { return at != other.at; }
};

// "line 3, column 14" of the byte at `offset`; columns count characters from 1.
std::string place(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const size_t line = size_t(std::count(before.begin(), before.end(), '\n')) + 1;
  const size_t start = before.rfind('\n') + 1;  // npos + 1 == 0
  const auto starts_char = [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; };
  const auto column =
      std::count_if(before.begin() + std::ptrdiff_t(start), before.end(), starts_char) + 1;
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

// The names of the callbacks are nlohmann's.
class Handler {
 public:
  Handler(std::string_view text, const JsonLimits& limits)
      : text_(text), limits_(limits), seen_(text.data()) {
    limits_.max_depth = std::min(limits_.max_depth, kMostDepth);
  }

  const char** seen() { return &seen_; }
  Json take() { return std::move(root_); }
  Error take_error() { return std::move(*error_); }

  bool null() { return put(Json()); }
  bool boolean(bool b) { return put(Json(b)); }
  bool number_integer(int64_t i) { return put(Json(i)); }
  bool number_unsigned(uint64_t u) {
    return put(u <= uint64_t{INT64_MAX} ? Json(int64_t(u)) : Json(double(u)));
  }
  bool number_float(double d, const std::string&) { return put(Json(d)); }
  bool string(std::string& s) { return put(Json(std::move(s))); }
  bool binary(nlohmann::json::binary_t&) { return refuse("binary data is not JSON"); }
  bool start_array(size_t) { return open(false); }
  bool start_object(size_t) { return open(true); }

  bool key(std::string& key) {
    Frame& frame = frames_.back();
    if (frame.index.find_or_add(frame.members, key) != JsonIndex::kNone) {
      return refuse("the key \"" + printable(key, kShownBytes) + "\" appears twice in one object");
    }
    frame.members.emplace_back(std::move(key), Json());
    return true;
  }

  bool end_array() {
    Json done = Json::array(std::move(frames_.back().items));
    frames_.pop_back();
    return put(std::move(done));
  }

  bool end_object() {
    Frame& frame = frames_.back();
    Json done = Json::object(std::move(frame.members), std::move(frame.index));
    frames_.pop_back();
    return put(std::move(done));
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception& e) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error ...": the
    // place is ours to give, and out_of_range says none.
    std::string_view what = e.what();
    if (const size_t column = what.find(", column "); column != what.npos) {
      const size_t colon = what.find(": ", column);
      if (colon != what.npos) what.remove_prefix(colon + 2);
    } else if (const size_t bracket = what.find("] "); bracket != what.npos) {
      what.remove_prefix(bracket + 2);
    }
    seen_ = text_.data() + std::min(position == 0 ? 0 : position - 1, text_.size());
    return refuse("not valid JSON: " + printable(what, kShownBytes));
  }

 private:
  struct Frame {
    bool is_object = false;
    Json::Array items;
    std::vector<Json::Member> members;
    JsonIndex index;
  };

  bool refuse(std::string what) {
    if (!error_) {
      error_ = fail(Code::kBadInput, std::move(what), place(text_, size_t(seen_ - text_.data())));
    }
    return false;
  }

  bool count() {
    if (++values_ <= limits_.max_values) return true;
    return refuse("too many values in one JSON text (limit " + std::to_string(limits_.max_values) +
                  ")");
  }

  bool open(bool is_object) {
    if (frames_.size() >= size_t(std::max(0, limits_.max_depth))) {
      return refuse("arrays and objects nest too deeply (limit " +
                    std::to_string(limits_.max_depth) + ")");
    }
    frames_.emplace_back().is_object = is_object;
    return true;
  }

  bool put(Json value) {
    if (!count()) return false;
    if (frames_.empty()) {
      root_ = std::move(value);
    } else if (frames_.back().is_object) {
      frames_.back().members.back().second = std::move(value);
    } else {
      frames_.back().items.push_back(std::move(value));
    }
    return true;
  }

  std::string_view text_;
  JsonLimits limits_;
  const char* seen_;
  size_t values_ = 0;
  std::vector<Frame> frames_;
  Json root_;
  std::optional<Error> error_;
};

// Where a text, a number or white space longer than kMaxTokenBytes begins, or npos. Looks at what
// separates tokens only: in what is not JSON the parser will find that out within the same bytes.
size_t find_long_token(std::string_view text) {
  if (text.size() <= kMaxTokenBytes) return text.npos;
  bool in_text = false;
  size_t begin = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_text) {
      if (c == '\\') ++at;
      if (c == '"') in_text = false, begin = at + 1;
    } else if (c == '"') {
      in_text = true, begin = at;
    } else if (c == ',' || c == ':' || c == '[' || c == ']' || c == '{' || c == '}') {
      begin = at + 1;
    }
    if (at - begin + 1 > kMaxTokenBytes && at >= begin) return begin;
  }
  return text.npos;
}

}  // namespace

Result<Json> Json::parse(std::string_view text, JsonLimits limits) {
  if (text.size() > limits.max_bytes) {
    return fail(Code::kBadInput, "too much JSON text (" + std::to_string(text.size()) +
                                     " bytes, limit " + std::to_string(limits.max_bytes) + ")");
  }
  if (text.starts_with("\xEF\xBB\xBF")) {
    return fail(Code::kBadInput, "starts with a byte order mark; save the text without it",
                place(text, 0));
  }
  // nlohmann takes a NUL byte for the end of the text.
  if (const size_t nul = text.find('\0'); nul != text.npos) {
    return fail(Code::kBadInput, "not valid JSON: a NUL byte", place(text, nul));
  }
  if (const size_t at = find_long_token(text); at != text.npos) {
    return fail(Code::kBadInput,
                "a text, number or white space is too long (limit " +
                    std::to_string(kMaxTokenBytes) + " bytes)",
                place(text, at));
  }
  Handler handler(text, limits);
  try {
    const Cursor first{text.data(), handler.seen()};
    const Cursor last{text.data() + text.size(), handler.seen()};
    if (nlohmann::json::sax_parse(first, last, &handler)) return handler.take();
    return handler.take_error();
  } catch (const std::bad_alloc&) {
    return fail(Code::kDoesNotFit,
                "not enough memory for this JSON text (" + std::to_string(text.size()) + " bytes)");
  }
}

}  // namespace ocelli::base
