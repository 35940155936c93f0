// What a chat template may cost. Templates come with models from strangers: every limit is tested
// before the work is done, and reaching one is an error that names it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"

namespace ocelli::text::jinja {

using base::Code;
using base::Error;
using base::fail;
using base::Result;
using base::Status;

inline constexpr size_t kMaxSourceBytes = size_t{256} << 10;
inline constexpr size_t kMaxOutputBytes = size_t{8} << 20;  // of the text and of every string in it
inline constexpr int64_t kMaxSteps = 1'000'000;
inline constexpr int64_t kBytesPerStep = 128;  // strings made or searched count as steps too
inline constexpr int kMaxNesting = 100;        // of expressions, blocks and macro calls
inline constexpr int kMaxEvalDepth = 1500;     // C++ recursion while rendering
inline constexpr int kMaxValueDepth = 200;     // lists in lists; above JSON's own limit of 128
inline constexpr int64_t kMaxRange = 100'000;  // as the sandbox of Jinja2

// Counts the steps of one rendering.
class Meter {
 public:
  // False when the steps are used up; then return error().
  bool spend(int64_t steps) { return (left_ -= steps) >= 0; }
  bool spend_bytes(size_t bytes) {
    return spend(1 + static_cast<int64_t>(bytes) / kBytesPerStep);
  }
  static Error error() {
    return fail(Code::kBadInput, "the template takes too many steps (more than 1000000, limit "
                                 "1000000); simplify its loops");
  }

 private:
  int64_t left_ = kMaxSteps;
};

}  // namespace ocelli::text::jinja
