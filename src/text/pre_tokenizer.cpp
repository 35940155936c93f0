#include "text/pre_tokenizer.h"

#include <algorithm>

#include "text/sequence_depth.h"
#include "text/utf8_reader.h"

namespace ocelli::text {
namespace {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;

constexpr size_t kMaxSteps = 32;

}  // namespace

Result<PreTokenizer> PreTokenizer::parse(const Json& json) {
  PreTokenizer pre;
  if (!json.is_null()) OCELLI_TRY(pre.parse_into(json, 0));
  return pre;
}

bool PreTokenizer::first_of_parts() const {
  const auto first = std::find_if(steps_.begin(), steps_.end(), [](const Step& step) {
    return step.kind == Kind::kMetaspace && step.prepend == Prepend::kFirst;
  });
  return first != steps_.end() && first != steps_.begin();
}

Status PreTokenizer::parse_into(const Json& json, int depth) {
  OCELLI_TRY(check_depth(depth));
  OCELLI_ASSIGN(const std::string type, json.get_string("type"));
  if (type == "Sequence") {
    const Json* list = json.find("pretokenizers");
    if (list == nullptr || !list->is_array())
      return fail(Code::kBadInput, "the list \"pretokenizers\" is missing");
    for (const Json& item : list->items()) OCELLI_TRY(parse_into(item, depth + 1));
    return {};
  }
  if (byte_level_) return fail(Code::kBadInput, "a step behind ByteLevel is not supported yet");
  if (steps_.size() >= kMaxSteps) {
    return fail(Code::kBadInput, "too many steps (limit " + std::to_string(kMaxSteps) + ")");
  }
  if (type == "Digits") {
    OCELLI_ASSIGN(const bool individual, json.get_bool("individual_digits", false));
    steps_.push_back({.kind = individual ? Kind::kDigits : Kind::kDigitRuns});
  } else if (type == "Split") {
    return parse_split(json);
  } else if (type == "Metaspace") {
    return parse_metaspace(json);
  } else if (type == "ByteLevel") {
    OCELLI_ASSIGN(const bool space, json.get_bool("add_prefix_space", true));
    OCELLI_ASSIGN(const bool use_regex, json.get_bool("use_regex", true));
    if (space) steps_.push_back({.kind = Kind::kSpaceBefore});
    if (use_regex) steps_.push_back({.kind = Kind::kSplit});
    byte_level_ = true;
  } else {
    return fail(Code::kBadInput,
                "a step of type \"" + base::printable(type, 80) +
                    "\" is not supported yet; Digits, Split, Metaspace and ByteLevel are");
  }
  return {};
}

Status PreTokenizer::parse_split(const Json& json) {
  Step step{.kind = Kind::kSplit};
  const Json* pattern = json.find("pattern");
  if (pattern == nullptr || !pattern->is_object() || pattern->size() != 1) {
    return fail(Code::kBadInput,
                "the pattern of a Split must be {\"Regex\": ...} or "
                "{\"String\": ...}");
  }
  if (pattern->find("Regex") != nullptr) {
    OCELLI_ASSIGN(const std::string text, pattern->get_string("Regex"));
    OCELLI_ASSIGN(step.pattern, SplitPattern::regex(text));
  } else {
    OCELLI_ASSIGN(const std::string text, pattern->get_string("String"));
    OCELLI_ASSIGN(step.pattern, SplitPattern::literal(text));
  }
  OCELLI_ASSIGN(const std::string behavior, json.get_string("behavior"));
  constexpr std::string_view kNames[] = {"Removed", "Isolated", "MergedWithPrevious",
                                         "MergedWithNext", "Contiguous"};
  const auto found = std::find(std::begin(kNames), std::end(kNames), behavior);
  if (found == std::end(kNames)) {
    return fail(Code::kBadInput, "unknown behavior \"" + base::printable(behavior, 80) + "\"");
  }
  step.behavior = static_cast<Behavior>(found - std::begin(kNames));
  OCELLI_ASSIGN(step.invert, json.get_bool("invert", false));
  steps_.push_back(std::move(step));
  return {};
}

Status PreTokenizer::parse_metaspace(const Json& json) {
  Step step{.kind = Kind::kMetaspace};
  OCELLI_ASSIGN(step.replacement, json.get_string("replacement"));
  if (step.replacement.empty() || read_char(step.replacement, 0).bytes != step.replacement.size()) {
    return fail(Code::kBadInput, "the replacement of a Metaspace must be one character");
  }
  OCELLI_ASSIGN(const std::string scheme, json.get_string("prepend_scheme", "always"));
  if (scheme != "always" && scheme != "first" && scheme != "never") {
    return fail(Code::kBadInput, "unknown prepend_scheme \"" + base::printable(scheme, 80) + "\"");
  }
  step.prepend = scheme == "always"  ? Prepend::kAlways
                 : scheme == "first" ? Prepend::kFirst
                                     : Prepend::kNever;
  // What older files say instead.
  OCELLI_ASSIGN(const bool prefix, json.get_bool("add_prefix_space", true));
  if (!prefix) step.prepend = Prepend::kNever;
  OCELLI_ASSIGN(step.cut, json.get_bool("split", true));
  steps_.push_back(std::move(step));
  return {};
}

Status PreTokenizer::step(size_t index, Part part, WordSink& sink) const {
  if (part.text.empty()) return {};
  if (index == steps_.size()) {
    sink.word(part.text);
    return {};
  }
  switch (steps_[index].kind) {
    case Kind::kDigits:
    case Kind::kDigitRuns:
      return digits(index, part, sink);
    case Kind::kSplit:
      return split(index, part, sink);
    case Kind::kMetaspace:
      return metaspace(index, part, sink);
    case Kind::kSpaceBefore:
      break;
  }
  if (part.text.front() == ' ') return step(index + 1, part, sink);
  std::string spaced;
  spaced.reserve(part.text.size() + 1);
  spaced.append(" ").append(part.text);
  return step(index + 1, {spaced, part.first}, sink);
}

Status PreTokenizer::metaspace(size_t index, Part part, WordSink& sink) const {
  const Step& s = steps_[index];
  std::string text;
  text.reserve(part.text.size() + part.text.size() / 4 + 16);
  const bool wanted = s.prepend == Prepend::kAlways || (s.prepend == Prepend::kFirst && part.first);
  if (wanted && part.text.front() != ' ' && !part.text.starts_with(s.replacement))
    text = s.replacement;
  for (const char c : part.text) {
    if (c == ' ') {
      text += s.replacement;
    } else {
      text += c;
    }
  }
  const Part whole{text, part.first};
  if (!s.cut) return step(index + 1, whole, sink);
  for (size_t at = 0; at < text.size();) {
    const size_t next = std::min(text.find(s.replacement, at + 1), text.size());
    OCELLI_TRY(step(index + 1, whole.cut(at, next), sink));
    at = next;
  }
  return {};
}

Status PreTokenizer::digits(size_t index, Part part, WordSink& sink) const {
  const ClassReader reader(part.text);
  const bool runs = steps_[index].kind == Kind::kDigitRuns;
  size_t next = 0;
  for (size_t at = 0; at < part.text.size(); at = next) {
    const bool digit = (reader.at(at, next) & kNumeric) != 0;
    if (!digit || runs) next = reader.skip(next, kNumeric, !digit);
    OCELLI_TRY(step(index + 1, part.cut(at, next), sink));
  }
  return {};
}

Status PreTokenizer::split(size_t index, Part part, WordSink& sink) const {
  const Step& s = steps_[index];
  if (s.pattern.is_known() &&
      (s.behavior == Behavior::kIsolated || (s.behavior == Behavior::kRemoved && s.invert))) {
    for (size_t at = 0, next = 0; at < part.text.size(); at = next) {
      next = s.pattern.next(part.text, at);
      OCELLI_TRY(step(index + 1, part.cut(at, next), sink));
    }
    return {};
  }
  std::vector<Span> spans;
  OCELLI_TRY(s.pattern.find(part.text, spans));
  if (s.invert) {
    for (Span& span : spans) span.match = !span.match;
  }
  apply(s.behavior, spans);
  for (const Span& span : spans) OCELLI_TRY(step(index + 1, part.cut(span.begin, span.end), sink));
  return {};
}

// Joins and drops parts as SplitDelimiterBehavior in Hugging Face tokenizers does.
void PreTokenizer::apply(Behavior behavior, std::vector<Span>& spans) {
  std::vector<Span> out;
  out.reserve(spans.size());
  bool previous = false;
  const auto join_or_add = [&](const Span& span, bool join, bool forwards) {
    if (join && !out.empty()) {
      (forwards ? out.back().end : out.back().begin) = forwards ? span.end : span.begin;
    } else {
      out.push_back(span);
    }
    previous = span.match;
  };
  switch (behavior) {
    case Behavior::kIsolated:
      return;
    case Behavior::kRemoved:
      std::erase_if(spans, [](const Span& span) { return span.match; });
      return;
    case Behavior::kContiguous:
      for (const Span& span : spans) join_or_add(span, span.match == previous, true);
      break;
    case Behavior::kMergedWithPrevious:
      for (const Span& span : spans) join_or_add(span, span.match && !previous, true);
      break;
    case Behavior::kMergedWithNext:
      for (size_t i = spans.size(); i-- > 0;)
        join_or_add(spans[i], spans[i].match && !previous, false);
      std::reverse(out.begin(), out.end());
      break;
  }
  spans = std::move(out);
}

}  // namespace ocelli::text
