// The nearest of several names, for "did you mean".
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ocelli::base {

// The candidate with the fewest insertions, deletions and replacements to `word`, if that is at
// most a third of its length (at least 1, at most 4); else "". The first one wins ties. Words and
// candidates beyond 256 bytes are left out.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace ocelli::base
