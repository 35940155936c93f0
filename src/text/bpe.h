// Byte pair encoding, the part that is the same for every tokenizer of this kind: a word comes in
// as the ids of its smallest symbols, and neighbours are merged by rank until none can be.
//
// How text becomes words, and words symbols (bytes, or characters with a fallback), is decided
// elsewhere (pre_tokenizer.h, byte_encoder.h).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"

namespace ocelli::text {

inline constexpr size_t kMaxMerges = size_t{1} << 22;

// The merges of a tokenizer: (left id, right id) -> rank and id of the result.
class MergeTable {
 public:
  struct Merge {
    uint32_t rank;
    int32_t id;
  };

  // Room for `count` merges, at most kMaxMerges.
  explicit MergeTable(size_t count = 0);

  // A pair given again takes the later rank, as in Hugging Face tokenizers. Requires that no more
  // than `count` merges are set.
  void set(int32_t left, int32_t right, Merge merge);

  // The merges whose result is not among `ids`.
  MergeTable without(const std::vector<bool>& ids) const;
  // Whether some merge has a result among `ids`.
  bool makes_any(const std::vector<bool>& ids) const;

  const Merge* find(int32_t left, int32_t right) const {
    const uint64_t key = key_of(left, right);
    for (size_t at = hash(key);; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (slot.key == key) return &slot.merge;
      if (slot.key == kFree) return nullptr;
    }
  }

 private:
  static constexpr uint64_t kFree = ~uint64_t{0};
  struct Slot {
    uint64_t key = kFree;
    Merge merge{};
  };
  static uint64_t key_of(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  // Multiply-shift with a secret factor: nobody can write a file whose pairs collide.
  size_t hash(uint64_t key) const { return static_cast<size_t>(key * factor_ >> shift_); }

  std::vector<Slot> slots_;
  uint64_t factor_;
  size_t mask_ = 0;
  int shift_ = 0;
};

// Merges `symbols` in place: always the pair of lowest rank, the leftmost of those.
// Takes O(n log n) time and O(n) memory for n symbols, whatever they are.
class BpeMerger {
 public:
  explicit BpeMerger(const MergeTable& merges) : merges_(merges) {}
  void merge(std::vector<int32_t>& symbols);

 private:
  void merge_short(std::vector<int32_t>& symbols);
  void merge_long(std::vector<int32_t>& symbols);

  struct Node {
    int32_t id;      // -1 once merged into its left neighbour
    uint32_t rank;   // of the pair with the next node; kNoMerge if there is none
    int32_t merged;  // what that pair becomes
    uint32_t prev, next;
  };
  void look_up(uint32_t at);

  const MergeTable& merges_;
  std::vector<MergeTable::Merge> pairs_;  // merge_short: of each symbol with the next
  std::vector<Node> nodes_;               // merge_long
  std::vector<uint64_t> heap_;            // rank << 32 | node, smallest first
};

}  // namespace ocelli::text
