#include "base/siphash.h"

#include <sys/random.h>

#include <chrono>

namespace ocelli::base {

const SipKey& process_sip_key() {
  static const SipKey key = [] {
    SipKey drawn;
    // Only a kernel that has just booted or a tight system call filter refuses; then the clock and
    // the (randomized) address of this frame are what there is.
    if (getrandom(&drawn, sizeof drawn, GRND_NONBLOCK) != ssize_t{sizeof drawn}) {
      drawn.k0 = uint64_t(std::chrono::steady_clock::now().time_since_epoch().count());
      drawn.k1 = reinterpret_cast<uintptr_t>(&drawn) * 0x9e3779b97f4a7c15u;
    }
    return drawn;
  }();
  return key;
}

}  // namespace ocelli::base
