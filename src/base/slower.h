// How much slower this build may be than a release build: limits of time in tests are multiplied
// with it. Sanitizers take their own.
#pragma once

namespace ocelli::base {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr double kSlower = 20;
#else
inline constexpr double kSlower = 1;
#endif

}  // namespace ocelli::base
