// Loaded before the program: the allocation by `new` with the number FAIL_ALLOC fails, and so do
// all after it.
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

std::atomic<long> made{0};

void* allocate(size_t bytes) {
  static const long first = [] {
    const char* wish = std::getenv("FAIL_ALLOC");
    return wish ? std::atol(wish) : 0L;
  }();
  if (first > 0 && made.fetch_add(1) + 1 >= first) return nullptr;
  return std::malloc(bytes ? bytes : 1);
}

}  // namespace

void* operator new(size_t bytes) {
  if (void* memory = allocate(bytes)) return memory;
  throw std::bad_alloc();
}
void* operator new[](size_t bytes) {
  return operator new(bytes);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, size_t) noexcept {
  std::free(memory);
}
