#include "tensor/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/asan.h"

namespace ocelli::tensor {

namespace {

constexpr int64_t kMaxCounted = int64_t{1} << 62;

}  // namespace

base::Result<Arena> Arena::create(int64_t bytes, Pages pages) {
  OCELLI_CHECK(bytes > 0, "an arena reserves something");
  void* memory = mmap(nullptr, size_t(bytes), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return base::fail(base::Code::kDoesNotFit,
                      "cannot reserve " + std::to_string(bytes >> 20) +
                          " MiB of address space for activations; raise ulimit -v");
  }
  madvise(memory, size_t(bytes), pages == Pages::kLarge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  return Arena(static_cast<std::byte*>(memory), bytes);
}

Arena::Arena(Arena&& other) noexcept {
  *this = std::move(other);
}

Arena& Arena::operator=(Arena&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(capacity_, other.capacity_);
  std::swap(used_, other.used_);
  std::swap(peak_, other.peak_);
  std::swap(at_, other.at_);
  std::swap(counts_only_, other.counts_only_);
  return *this;
}

Arena::~Arena() {
  if (!memory_) return;
  if (!counts_only_) base::asan_unpoison(memory_, size_t(peak_));
  munmap(memory_, size_t(capacity_));
}

void Arena::count_only() {
  OCELLI_CHECK(used_ == 0, "an arena counts from its beginning on");
  counts_only_ = true;
  // Between numbers that nobody touches lie records that are written: no page more than need be.
  madvise(memory_, size_t(capacity_), MADV_NOHUGEPAGE);
}

void* Arena::take_bytes(int64_t bytes) {
  OCELLI_CHECK(bytes >= 0 && bytes <= capacity_ - at_ - kAlign, "the arena was planned too small");
  std::byte* p = memory_ + at_;
  const int64_t whole = (bytes + kAlign - 1) / kAlign * kAlign;
  at_ += whole;
  used_ += whole;
  peak_ = std::max(peak_, used_);
  if (!counts_only_) base::asan_unpoison(p, size_t(bytes));
  return p;
}

// Where address space becomes rare, numbers get an address of their own but no room.
void* Arena::count_bytes(int64_t bytes) {
  if (bytes <= capacity_ / 2 - at_) return take_bytes(bytes);
  void* p = take_bytes(1);
  OCELLI_CHECK(bytes <= kMaxCounted - used_, "nobody has that much memory");
  used_ += (bytes - 1) / kAlign * kAlign;
  peak_ = std::max(peak_, used_);
  return p;
}

void Arena::rewind(int64_t mark) {
  OCELLI_CHECK(mark >= 0 && mark <= used_, "a rewind goes back");
  if (!counts_only_) base::asan_poison(memory_ + mark, size_t(used_ - mark));
  used_ = mark;
  // What lies below the mark has its address below it, too.
  at_ = std::min(at_, mark);
}

void Arena::trim(int64_t keep) {
  if (counts_only_) return;
  const int64_t from = (std::max(keep, used_) + 4095) / 4096 * 4096;
  if (from < peak_) madvise(memory_ + from, size_t(peak_ - from), MADV_DONTNEED);
}

}  // namespace ocelli::tensor
