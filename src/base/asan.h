// Marks memory as not to be touched, for AddressSanitizer; nothing in other builds.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define OCELLI_HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OCELLI_HAS_ASAN 1
#endif
#endif

#if defined(OCELLI_HAS_ASAN)
extern "C" void __asan_poison_memory_region(void const volatile* address, size_t size);
extern "C" void __asan_unpoison_memory_region(void const volatile* address, size_t size);
#endif

namespace ocelli::base {

inline void asan_poison([[maybe_unused]] const void* p, [[maybe_unused]] size_t n) {
#if defined(OCELLI_HAS_ASAN)
  __asan_poison_memory_region(p, n);
#endif
}

inline void asan_unpoison([[maybe_unused]] const void* p, [[maybe_unused]] size_t n) {
#if defined(OCELLI_HAS_ASAN)
  __asan_unpoison_memory_region(p, n);
#endif
}

}  // namespace ocelli::base
