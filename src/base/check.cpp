#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace ocelli::base {

void check_failed(const char* file, int line, const char* condition, const char* why) {
  std::fprintf(stderr, "error: internal: %s:%d: %s does not hold: %s; please report this\n", file,
               line, condition, why);
  std::fflush(stderr);
  std::abort();
}

}  // namespace ocelli::base
