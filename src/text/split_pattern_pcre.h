// SplitPattern's patterns that are not written out by hand. Included by split_pattern*.cpp alone.
#pragma once

#include "text/split_pattern.h"

namespace ocelli::text {

// A compiled pattern. Immutable, so matching from many threads is allowed.
struct SplitPattern::Pcre {
  static base::Result<std::shared_ptr<const Pcre>> compile(std::string_view pattern);
  ~Pcre();
  base::Status find(std::string_view text, std::vector<Span>& spans) const;

  void* code = nullptr;  // pcre2_code*
};

}  // namespace ocelli::text
