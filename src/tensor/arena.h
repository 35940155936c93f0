// Arena: where activations live. Taking is a bump of a pointer, freeing is going back to a mark, so
// the peak is a formula that a dry run prints (backend/count).
//
//   const auto mark = arena.mark();
//   ... take, use ...
//   arena.rewind(mark);      // everything taken since is gone
//
// Address space is reserved at once, memory only when it is touched. Taking does not clear. Under
// AddressSanitizer a rewind poisons what it frees.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/result.h"

namespace ocelli::tensor {

class Arena {
 public:
  static constexpr int64_t kAlign = 64;
  static constexpr int64_t kDefaultReserve = int64_t{64} << 30;

  // Large pages make big activations faster; small ones keep tables that fill slowly small.
  enum class Pages { kLarge, kSmall };

  // Reserves `bytes` of address space (no memory yet).
  static base::Result<Arena> create(int64_t bytes = kDefaultReserve, Pages pages = Pages::kLarge);
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&& other) noexcept;
  ~Arena();

  // `bytes` more, aligned to kAlign. The caller has planned: running out is a broken promise.
  void* take_bytes(int64_t bytes);
  template <class T>
  T* take(int64_t count) {
    const int64_t bytes = count * int64_t(sizeof(T));
    if (counts_only_ && std::is_same_v<T, float>) return static_cast<T*>(count_bytes(bytes));
    return static_cast<T*>(take_bytes(bytes));
  }

  // From now on numbers (float) are counted and never touched: what a dry run works on. There may
  // be more of them than the arena reserves. Requires that nothing is taken.
  void count_only();
  bool counts_only() const { return counts_only_; }

  int64_t mark() const { return used_; }
  void rewind(int64_t mark);

  int64_t peak() const { return peak_; }
  void reset_peak() { peak_ = used_; }
  // Gives memory above `keep` bytes that is not in use back to the system.
  void trim(int64_t keep = 0);

 private:
  Arena(std::byte* memory, int64_t capacity) : memory_(memory), capacity_(capacity) {}
  void* count_bytes(int64_t bytes);
  std::byte* memory_ = nullptr;
  int64_t capacity_ = 0, used_ = 0, peak_ = 0;
  int64_t at_ = 0;  // where the next address is: used_, less what was only counted
  bool counts_only_ = false;
};

// Rewinds to where it was made.
class Scratch {
 public:
  explicit Scratch(Arena& arena) : arena_(arena), mark_(arena.mark()) {}
  ~Scratch() { arena_.rewind(mark_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

 private:
  Arena& arena_;
  int64_t mark_;
};

}  // namespace ocelli::tensor
