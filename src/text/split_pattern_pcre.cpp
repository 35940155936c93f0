#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/split_pattern_pcre.h"

#include <pcre2.h>

#include <algorithm>
#include <ctime>

#include "text/utf8_reader.h"

namespace ocelli::text {
namespace {

using base::Code;
using base::fail;

constexpr uint32_t kMaxNesting = 64;
constexpr uint32_t kHeapKib = 64 << 10;
// One match may take this many steps, and a step may read the whole text.
constexpr size_t kMatchWork = size_t{1} << 32;
constexpr size_t kMinSteps = 4096, kMaxSteps = 4'000'000;
// All matches of a text together: a pattern that is quadratic on it would never end.
constexpr double kSeconds = 2.0, kSecondsPerByte = 2e-6;
constexpr int kMatchesPerClock = 64;
const std::string kAdvice = "; shorten the text, or use the original tokenizer of the model";

// Oniguruma (with which the ids are defined) and PCRE2 disagree on these.
base::Status refuse_ambiguous(std::string_view p) {
  const auto refuse = [&](std::string_view what) {
    return fail(Code::kBadInput, "the split pattern \"" + base::printable(p, 200) + "\" uses " +
                                     std::string(what) + ", which is not supported yet");
  };
  if (p.size() > kMaxPatternBytes) {
    return fail(Code::kBadInput, "the split pattern is too long (" + std::to_string(p.size()) +
                                     " bytes, limit " + std::to_string(kMaxPatternBytes) + ")");
  }
  for (size_t i = 0; i < p.size(); ++i) {
    const char next = i + 1 < p.size() ? p[i + 1] : '\0';
    if (p[i] == '\\') {
      if (std::string_view("wWbBhHXRKGyYO").find(next) != std::string_view::npos && next != '\0')
        return refuse(std::string("\\") + next);
      ++i;
      if ((next == 'p' || next == 'P') && p.substr(i + 1).starts_with('{'))
        i = std::min(p.find('}', i), p.size());
    } else if (p[i] == '&' && next == '&') {
      return refuse("an intersection of character classes (&&)");
    } else if (p[i] == '}' && next == '+') {
      return refuse("a quantifier followed by +");
    } else if (p[i] == '[' && next == ':') {
      return refuse("a POSIX class ([:)");
    } else if (p[i] == '(' && next == '?') {
      for (size_t k = i + 2;
           k < p.size() && std::string_view("imsxauD-n").find(p[k]) != std::string_view::npos;
           ++k) {
        if (p[k] != 'i' && p[k] != '-') return refuse("an inline option other than (?i)");
      }
    }
  }
  return {};
}

// PCRE2 counts U+180E as \s, Oniguruma does not.
std::string translate(std::string_view p) {
  std::string out;
  for (size_t i = 0; i < p.size(); ++i) {
    if (p[i] != '\\' || i + 1 == p.size()) {
      out += p[i];
      continue;
    }
    const char next = p[++i];
    if (next == 's') {
      out += "\\p{White_Space}";
    } else if (next == 'S') {
      out += "\\P{White_Space}";
    } else {
      out += '\\';
      out += next;
    }
  }
  return out;
}

struct MatchState {
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  ~MatchState() {
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
};

double seconds_of_this_thread() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

SplitPattern::Pcre::~Pcre() {
  pcre2_code_free(static_cast<pcre2_code*>(code));
}

base::Result<std::shared_ptr<const SplitPattern::Pcre>> SplitPattern::Pcre::compile(
    std::string_view pattern) {
  OCELLI_TRY(refuse_ambiguous(pattern));
  const std::string translated = translate(pattern);
  pcre2_compile_context* context = pcre2_compile_context_create(nullptr);
  if (context == nullptr) return fail(Code::kDoesNotFit, "no memory for a split pattern");
  pcre2_set_parens_nest_limit(context, kMaxNesting);
  int error = 0;
  PCRE2_SIZE offset = 0;
  // PCRE2_MULTILINE: in Oniguruma's default syntax ^ and $ always match at lines.
  auto result = std::make_shared<Pcre>();
  result->code = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE,
      &error, &offset, context);
  pcre2_compile_context_free(context);
  if (result->code == nullptr) {
    PCRE2_UCHAR text[256] = {};
    pcre2_get_error_message(error, text, sizeof text);
    return fail(Code::kBadInput, "the split pattern \"" + base::printable(pattern, 200) +
                                     "\" is wrong at " + std::to_string(offset) + ": " +
                                     reinterpret_cast<const char*>(text));
  }
  return std::shared_ptr<const Pcre>(std::move(result));
}

// Matches are taken one place at a time (anchored), so that no single call walks over the text from
// every start; the order of results is that of an ordinary search.
base::Status SplitPattern::Pcre::find(std::string_view text, std::vector<Span>& spans) const {
  const MatchState state;
  if (state.context == nullptr || state.data == nullptr)
    return fail(Code::kDoesNotFit, "no memory to match a split pattern");
  const size_t steps = std::clamp(kMatchWork / (text.size() + 1), kMinSteps, kMaxSteps);
  pcre2_set_match_limit(state.context, static_cast<uint32_t>(steps));
  pcre2_set_depth_limit(state.context, static_cast<uint32_t>(steps));
  pcre2_set_heap_limit(state.context, kHeapKib);
  const double end_time =
      seconds_of_this_thread() + kSeconds + kSecondsPerByte * static_cast<double>(text.size());
  size_t done = 0;    // up to here spans were given out
  bool first = true;  // an empty match right behind the last match does not count
  int since_clock = 0;
  for (size_t at = 0; at <= text.size();) {
    if (++since_clock == kMatchesPerClock) {
      since_clock = 0;
      if (seconds_of_this_thread() > end_time)
        return fail(Code::kBadInput, "the split pattern takes too long on this text" + kAdvice,
                    "tokenizer.json");
    }
    const int rc = pcre2_match(static_cast<const pcre2_code*>(code),
                               reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                               PCRE2_ANCHORED | PCRE2_NO_UTF_CHECK, state.data, state.context);
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) {
      return fail(Code::kBadInput,
                  "the split pattern reached its limit on this text (" + std::to_string(steps) +
                      " steps at byte " + std::to_string(at) + ")" + kAdvice,
                  "tokenizer.json");
    }
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(state.data);
    const size_t begin = rc < 0 ? 0 : ends[0], end = rc < 0 ? 0 : ends[1];
    if (rc < 0 || begin != at || (end == begin && !first && done == end)) {
      at = at < text.size() ? at + read_char(text, at).bytes : at + 1;
      continue;
    }
    if (begin > done) spans.push_back({done, begin, false});
    spans.push_back({begin, end, true});
    first = false;
    done = at = end;
    // An empty match: onto the next character, as a search would.
  }
  if (done < text.size()) spans.push_back({done, text.size(), false});
  return {};
}

}  // namespace ocelli::text
