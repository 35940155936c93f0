#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/full_match.h"

#include <pcre2.h>

namespace ocelli::text {

using base::Code;
using base::Result;

namespace {

constexpr uint32_t kMaxNesting = 64;
constexpr uint32_t kMaxSteps = 20'000;  // of one match; a sane pattern takes a few hundred
constexpr uint32_t kHeapKib = 1024;

base::Error wrong(std::string_view pattern, const std::string& why) {
  return base::fail(Code::kBadInput, "the pattern \"" + base::printable(pattern, 200) + "\" " +
                                         why + "; write it as a list of module names");
}

template <class T, void (*kFree)(T*)>
using Owned = std::unique_ptr<T, decltype([](T* p) { kFree(p); })>;

}  // namespace

Result<FullMatch> FullMatch::compile(std::string_view pattern) {
  if (pattern.size() > kMaxFullMatchPattern) {
    return wrong(pattern, "is too long (" + std::to_string(pattern.size()) + " bytes, limit " +
                              std::to_string(kMaxFullMatchPattern) + ")");
  }
  const Owned<pcre2_compile_context, pcre2_compile_context_free> context(
      pcre2_compile_context_create(nullptr));
  if (!context) return base::fail(Code::kDoesNotFit, "no memory for a pattern");
  pcre2_set_parens_nest_limit(context.get(), kMaxNesting);
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                   PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE,
                                   &error, &offset, context.get());
  if (!code) {
    PCRE2_UCHAR text[256] = {};
    pcre2_get_error_message(error, text, sizeof text);
    return wrong(pattern, "is wrong at " + std::to_string(offset) + " (" +
                              reinterpret_cast<const char*>(text) + ")");
  }
  FullMatch out;
  out.pattern_ = pattern;
  out.code_ = std::shared_ptr<void>(
      code, [](void* p) { pcre2_code_free(static_cast<pcre2_code*>(p)); });
  return out;
}

Result<bool> FullMatch::matches(std::string_view name) const {
  const Owned<pcre2_match_context, pcre2_match_context_free> context(
      pcre2_match_context_create(nullptr));
  const Owned<pcre2_match_data, pcre2_match_data_free> data(pcre2_match_data_create(1, nullptr));
  if (!context || !data) return base::fail(Code::kDoesNotFit, "no memory to match a pattern");
  pcre2_set_match_limit(context.get(), kMaxSteps);
  pcre2_set_depth_limit(context.get(), kMaxSteps);
  pcre2_set_heap_limit(context.get(), kHeapKib);
  const int rc = pcre2_match(static_cast<const pcre2_code*>(code_.get()),
                             reinterpret_cast<PCRE2_SPTR>(name.data()), name.size(), 0,
                             PCRE2_ANCHORED | PCRE2_ENDANCHORED, data.get(), context.get());
  if (rc >= 0) return true;
  if (rc == PCRE2_ERROR_NOMATCH) return false;
  return wrong(pattern_, "takes too long on \"" + base::printable(name, 200) + "\" (limit " +
                             std::to_string(kMaxSteps) + " steps)");
}

}  // namespace ocelli::text
