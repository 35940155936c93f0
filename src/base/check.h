// CHECK: a promise between our own functions. If it breaks, the program has a bug and stops.
// Data from outside must never reach one; for that there is Result (result.h).
#pragma once

namespace ocelli::base {
[[noreturn]] void check_failed(const char* file, int line, const char* condition, const char* why);
}

#define OCELLI_CHECK(condition, why)                                                      \
  do {                                                                                    \
    if (!(condition)) [[unlikely]]                                                        \
      ::ocelli::base::check_failed(__FILE__, __LINE__, #condition, why);                  \
  } while (false)
