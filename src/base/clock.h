// Time for measuring: seconds that never jump, from a point that means nothing.
#pragma once

#include <chrono>

namespace ocelli::base {

inline double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Seconds since it was made or restarted.
class Stopwatch {
 public:
  double seconds() const { return steady_seconds() - begin_; }
  // Returns the seconds so far and starts again from 0.
  double lap() {
    const double now = steady_seconds(), passed = now - begin_;
    begin_ = now;
    return passed;
  }

 private:
  double begin_ = steady_seconds();
};

}  // namespace ocelli::base
