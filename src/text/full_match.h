// FullMatch: a pattern that has to fit a whole name, as Python's re.fullmatch(). For short names
// (modules of a model) and patterns from configuration files.
//
//   OCELLI_ASSIGN(const FullMatch match, FullMatch::compile(".*text_model.*\\.(q|v)_proj"));
//   OCELLI_ASSIGN(const bool fits, match.matches("model.text_model.layers.0.self_attn.q_proj"));
//
// PCRE2 with limits. It and Python agree on what such patterns use; what only one of them knows is
// refused when it is compiled, or never written.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ocelli::text {

inline constexpr size_t kMaxFullMatchPattern = 4096;  // bytes

class FullMatch {
 public:
  static base::Result<FullMatch> compile(std::string_view pattern);

  // An error where the pattern needs too many steps. Thread-safe.
  base::Result<bool> matches(std::string_view name) const;

 private:
  std::string pattern_;
  std::shared_ptr<void> code_;  // pcre2_code
};

}  // namespace ocelli::text
