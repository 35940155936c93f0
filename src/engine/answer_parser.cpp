#include "engine/answer_parser.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/json.h"
#include "base/utf8.h"

namespace ocelli::engine {

using base::Json;
using Kind = AnswerPart::Kind;

namespace {

constexpr std::string_view kThink = kAnswerTags[0], kThinkEnd = kAnswerTags[1];
constexpr std::string_view kCall = kAnswerTags[2], kCallEnd = kAnswerTags[3];
constexpr std::string_view kCode = kAnswerTags[4], kCodeEnd = kAnswerTags[5];
constexpr std::string_view kSpaces = " \t\r\n";
constexpr size_t kMaxNameBytes = 256;
// Searching and erasing go over no more than this for each tag, so that a text of nothing but tags
// takes linear time too.
constexpr size_t kStepBytes = 256;

// Length of the longest end of `text` that `tag` begins with, the whole tag excepted.
size_t started(std::string_view text, std::string_view tag) {
  for (size_t n = std::min(tag.size() - 1, text.size()); n > 0; --n) {
    if (text.ends_with(tag.substr(0, n))) return n;
  }
  return 0;
}

std::string_view without_spaces_around(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kSpaces), text.size()));
  return text.substr(0, text.find_last_not_of(kSpaces) + 1);
}

// {"name": ..., "arguments": {...}}, the arguments also as text that holds such an object.
std::optional<ToolCall> read_call_json(std::string_view body) {
  constexpr base::JsonLimits kLimits{
      .max_bytes = kMaxCallBytes, .max_depth = 64, .max_values = 100'000};
  const auto json = Json::parse(without_spaces_around(body), kLimits);
  if (!json.ok() || !json->is_object()) return {};
  const Json* name = json->find("name");
  if (!name || !name->is_string() || name->as_string().empty() ||
      name->as_string().size() > kMaxNameBytes)
    return {};
  const Json* arguments = json->find("arguments");
  if (!arguments || arguments->is_null()) return ToolCall{name->as_string(), "{}"};
  if (arguments->is_object()) return ToolCall{name->as_string(), arguments->dump()};
  if (!arguments->is_string()) return {};
  const auto inner = Json::parse(arguments->as_string(), kLimits);
  if (!inner.ok() || !inner->is_object()) return {};
  return ToolCall{name->as_string(), inner->dump()};
}

}  // namespace

AnswerParser::AnswerParser(AnswerFormat format)
    : format_(format),
      state_(format.starts_thinking ? State::kThinking
             : format.thinking      ? State::kStart
                                    : State::kText),
      skip_spaces_(format.starts_thinking) {}

// Spaces after a tag and before the next word belong to neither.
void AnswerParser::after_tag() {
  if (!any_text_) spaces_.clear();
  gap_ += std::exchange(spaces_, {});
  skip_spaces_ = true;
}

void AnswerParser::emit(Kind kind, std::string_view text, std::vector<AnswerPart>& out) {
  if (skip_spaces_) {
    text.remove_prefix(std::min(text.find_first_not_of(kSpaces), text.size()));
    if (text.empty()) return;
    skip_spaces_ = false;
  }
  // Where a tag may follow, white space waits for what comes.
  const bool tags = kind == Kind::kThinking || format_.calls || format_.code;
  const size_t end = tags ? text.find_last_not_of(kSpaces) + 1 : text.size();
  if (end > 0) {
    std::string whole = std::exchange(gap_, {}) + std::exchange(spaces_, {});
    whole += text.substr(0, end);
    if (!out.empty() && out.back().kind == kind) {
      out.back().text += whole;
    } else {
      out.push_back({kind, std::move(whole)});
    }
    any_text_ |= kind == Kind::kText;
  }
  spaces_ += text.substr(end);
}

// Before the first word: thinking, or text.
bool AnswerParser::start() {
  const size_t word = std::min(held_.find_first_not_of(kSpaces), held_.size());
  spaces_ += held_.substr(0, word);
  held_.erase(0, word);
  if (held_.empty()) return false;
  if (held_.starts_with(kThink)) {
    held_.erase(0, kThink.size());
    after_tag();
    state_ = State::kThinking;
    return true;
  }
  if (kThink.starts_with(held_)) return false;
  state_ = State::kText;
  return true;
}

bool AnswerParser::think(std::vector<AnswerPart>& out) {
  const size_t end = held_.find(kThinkEnd);
  const size_t certain = end != std::string::npos ? end : held_.size() - started(held_, kThinkEnd);
  emit(Kind::kThinking, std::string_view(held_).substr(0, certain), out);
  held_.erase(0, certain);
  if (end == std::string::npos) return false;
  held_.erase(0, kThinkEnd.size());
  after_tag();
  state_ = State::kText;
  return true;
}

bool AnswerParser::read_text(std::vector<AnswerPart>& out) {
  size_t certain = held_.size(), partial = 0;
  State next = State::kText;
  const auto look_for = [&](std::string_view tag, State state) {
    partial = std::max(partial, started(held_, tag));
    const size_t at = held_.find(tag);
    if (at >= certain) return;
    certain = at;
    next = state;
  };
  if (calls_ < kMaxCalls) {
    if (format_.calls) look_for(kCall, State::kCall);
    if (format_.code) look_for(kCode, State::kCode);
  }
  if (next == State::kText) certain -= partial;
  emit(Kind::kText, std::string_view(held_).substr(0, certain), out);
  held_.erase(0, certain);
  state_ = next;
  searched_ = 0;
  return next != State::kText;
}

std::string_view AnswerParser::closing() const {
  return state_ == State::kCall ? kCallEnd : kCodeEnd;
}

bool AnswerParser::add_call(std::string_view body, std::vector<AnswerPart>& out) {
  std::optional<ToolCall> call;
  if (state_ == State::kCall) {
    call = read_call_json(body);
  } else if (const auto code = without_spaces_around(body); !code.empty()) {
    // The first line may be indented.
    const size_t line = body.substr(0, size_t(code.data() - body.data())).rfind('\n');
    const size_t begin = line == std::string_view::npos ? 0 : line + 1;
    const size_t end = size_t(code.data() + code.size() - body.data());
    const std::string python = base::replace_invalid_utf8(body.substr(begin, end - begin));
    const Json arguments = Json::object({{"code", python}});
    call = ToolCall{"python", arguments.dump()};
  }
  if (!call) return false;
  ++calls_;
  after_tag();
  out.push_back({Kind::kCall, {}, std::move(*call)});
  return true;
}

// The first bytes of what looked like a call are text after all.
void AnswerParser::give_back(size_t bytes, std::vector<AnswerPart>& out) {
  while (bytes < held_.size() && (held_[bytes] & 0xC0) == 0x80) --bytes;  // whole characters
  emit(Kind::kText, std::string_view(held_).substr(0, bytes), out);
  held_.erase(0, bytes);
  state_ = State::kText;
}

// held_ begins with the opening tag.
bool AnswerParser::read_call(std::vector<AnswerPart>& out) {
  const std::string_view tag = closing();
  const size_t open = tag.size() - 1;  // the closing tag has a slash more
  const size_t end = held_.find(tag, std::max(searched_, open));
  if (end == std::string::npos || end > kMaxCallBytes) {
    searched_ = held_.size() - std::min(held_.size(), tag.size() - 1);
    if (held_.size() <= kMaxCallBytes) return false;
    give_back(kMaxCallBytes, out);
    return true;
  }
  const auto body = std::string_view(held_).substr(open, end - open);
  if (!add_call(body, out)) {
    // One that was begun and left may stand before a whole one.
    const size_t again = state_ == State::kCall ? body.rfind(kCall) : std::string_view::npos;
    give_back(again == std::string_view::npos ? end + tag.size() : open + again, out);
    return true;
  }
  held_.erase(0, end + tag.size());
  state_ = State::kText;
  return true;
}

bool AnswerParser::step(std::vector<AnswerPart>& out) {
  switch (state_) {
    case State::kStart:
      return start();
    case State::kThinking:
      return think(out);
    case State::kText:
      return read_text(out);
    case State::kCall:
    case State::kCode:
      return read_call(out);
  }
  return false;
}

std::vector<AnswerPart> AnswerParser::push(std::string_view text) {
  std::vector<AnswerPart> out;
  while (!text.empty()) {
    held_ += text.substr(0, kStepBytes);
    text.remove_prefix(std::min(text.size(), kStepBytes));
    while (!held_.empty() && step(out)) {
    }
  }
  return out;
}

std::vector<AnswerPart> AnswerParser::finish() {
  std::vector<AnswerPart> out;
  const bool thinking = state_ == State::kThinking;
  // A call whose end tag the model left out is one if it is whole; code could be cut anywhere.
  if (state_ == State::kCall && add_call(std::string_view(held_).substr(kCall.size()), out)) {
    held_.clear();
  }
  emit(thinking ? Kind::kThinking : Kind::kText, std::exchange(held_, {}), out);
  if (!thinking && !spaces_.empty()) {
    skip_spaces_ = false;
    out.push_back({Kind::kText, std::exchange(spaces_, {})});
  }
  *this = AnswerParser(format_);
  return out;
}

ParsedAnswer parse_answer(const AnswerFormat& format, std::string_view answer) {
  AnswerParser parser(format);
  ParsedAnswer all;
  const auto add = [&](std::vector<AnswerPart> parts) {
    for (AnswerPart& part : parts) {
      if (part.kind == Kind::kText) all.text += part.text;
      if (part.kind == Kind::kThinking) all.thinking += part.text;
      if (part.kind == Kind::kCall) all.calls.push_back(std::move(part.call));
    }
  };
  add(parser.push(answer));
  add(parser.finish());
  return all;
}

}  // namespace ocelli::engine
