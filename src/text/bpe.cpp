#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "base/check.h"
#include "base/siphash.h"

namespace ocelli::text {
namespace {

constexpr uint32_t kNoMerge = UINT32_MAX;
constexpr uint32_t kNone = UINT32_MAX;
// Up to here looking at every pair beats a heap.
constexpr size_t kShort = 32;

}  // namespace

MergeTable::MergeTable(size_t count) : factor_(base::process_sip_key().k0 | 1) {
  OCELLI_CHECK(count <= kMaxMerges, "more merges than kMaxMerges");
  const size_t size = std::bit_ceil(std::max<size_t>(16, 2 * count));
  slots_.resize(size);
  mask_ = size - 1;
  shift_ = 64 - std::countr_zero(size);
}

void MergeTable::set(int32_t left, int32_t right, Merge merge) {
  const uint64_t key = key_of(left, right);
  size_t at = hash(key);
  while (slots_[at].key != kFree && slots_[at].key != key) at = (at + 1) & mask_;
  slots_[at] = {key, merge};
}

MergeTable MergeTable::without(const std::vector<bool>& ids) const {
  MergeTable rest = *this;
  rest.slots_.assign(slots_.size(), {});
  for (const Slot& slot : slots_) {
    if (slot.key == kFree || ids[static_cast<size_t>(slot.merge.id)]) continue;
    rest.set(static_cast<int32_t>(slot.key >> 32), static_cast<int32_t>(slot.key), slot.merge);
  }
  return rest;
}

bool MergeTable::makes_any(const std::vector<bool>& ids) const {
  return std::any_of(slots_.begin(), slots_.end(), [&](const Slot& slot) {
    return slot.key != kFree && ids[static_cast<size_t>(slot.merge.id)];
  });
}

void BpeMerger::merge(std::vector<int32_t>& symbols) {
  if (symbols.size() < 2) return;
  if (symbols.size() <= kShort) {
    merge_short(symbols);
  } else {
    merge_long(symbols);
  }
}

void BpeMerger::merge_short(std::vector<int32_t>& symbols) {
  constexpr MergeTable::Merge kNothing{kNoMerge, -1};
  const auto pair_at = [&](size_t i) {
    if (i + 1 >= symbols.size()) return kNothing;
    const MergeTable::Merge* m = merges_.find(symbols[i], symbols[i + 1]);
    return m == nullptr ? kNothing : *m;
  };
  pairs_.resize(symbols.size());
  for (size_t i = 0; i < symbols.size(); ++i) pairs_[i] = pair_at(i);
  while (true) {
    size_t best = 0;
    for (size_t i = 1; i < symbols.size(); ++i) {
      if (pairs_[i].rank < pairs_[best].rank) best = i;
    }
    if (pairs_[best].rank == kNoMerge) return;
    symbols[best] = pairs_[best].id;
    symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(best) + 1);
    pairs_.erase(pairs_.begin() + static_cast<ptrdiff_t>(best) + 1);
    pairs_[best] = pair_at(best);
    if (best > 0) pairs_[best - 1] = pair_at(best - 1);
  }
}

void BpeMerger::look_up(uint32_t at) {
  Node& node = nodes_[at];
  node.rank = kNoMerge;
  if (node.next == kNone) return;
  const MergeTable::Merge* m = merges_.find(node.id, nodes_[node.next].id);
  if (m == nullptr) return;
  node.rank = m->rank;
  node.merged = m->id;
  heap_.push_back(uint64_t{m->rank} << 32 | at);
}

void BpeMerger::merge_long(std::vector<int32_t>& symbols) {
  OCELLI_CHECK(symbols.size() < kNone, "a word of 2^32 symbols");
  const uint32_t count = static_cast<uint32_t>(symbols.size());
  nodes_.resize(count);
  heap_.clear();
  for (uint32_t i = 0; i < count; ++i) {
    nodes_[i] = {symbols[i], kNoMerge, -1, i == 0 ? kNone : i - 1, i + 1 == count ? kNone : i + 1};
  }
  for (uint32_t i = 0; i < count; ++i) look_up(i);
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  const auto look_up_and_push = [&](uint32_t at) {
    const size_t before = heap_.size();
    look_up(at);
    if (heap_.size() > before) std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  };
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const uint64_t top = heap_.back();
    heap_.pop_back();
    const uint32_t at = static_cast<uint32_t>(top);
    Node& node = nodes_[at];
    // The pair this entry spoke of may be gone: then its rank is another one now.
    if (node.id < 0 || node.rank != top >> 32) continue;
    Node& right = nodes_[node.next];
    node.id = node.merged;
    node.next = right.next;
    right.id = -1;
    if (node.next != kNone) nodes_[node.next].prev = at;
    look_up_and_push(at);
    if (node.prev != kNone) look_up_and_push(node.prev);
  }
  symbols.clear();
  for (uint32_t i = 0; i != kNone; i = nodes_[i].next) symbols.push_back(nodes_[i].id);
  // One hostile word must not keep its memory for the rest of the text.
  if (nodes_.capacity() > size_t{1} << 16) {
    nodes_ = {};
    heap_ = {};
  }
}

}  // namespace ocelli::text
