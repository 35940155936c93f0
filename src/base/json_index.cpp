#include "base/json_index.h"

#include "base/siphash.h"

namespace ocelli::base {
namespace {

uint32_t hash_of(std::string_view key) {
  return uint32_t(siphash(key, process_sip_key()));
}

}  // namespace

size_t JsonIndex::slot_of(const std::vector<Json::Member>& members, std::string_view key,
                          uint32_t hash) const {
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  while (slots_[at].position != 0 &&
         !(slots_[at].hash == hash && members[slots_[at].position - 1].first == key)) {
    at = (at + 1) & mask;
  }
  return at;
}

size_t JsonIndex::find(const std::vector<Json::Member>& members, std::string_view key) const {
  if (slots_.empty()) {
    for (size_t i = 0; i < members.size(); ++i) {
      if (members[i].first == key) return i;
    }
    return kNone;
  }
  const uint32_t position = slots_[slot_of(members, key, hash_of(key))].position;
  return position == 0 ? kNone : position - 1;
}

size_t JsonIndex::find_or_add(const std::vector<Json::Member>& members, std::string_view key) {
  if (members.size() < kFew) return find(members, key);
  OCELLI_CHECK(members.size() < UINT32_MAX - 1, "an object of fewer than 2^32 - 1 members");
  if (slots_.size() < 2 * (members.size() + 1)) grow(members);
  const uint32_t hash = hash_of(key);
  Slot& slot = slots_[slot_of(members, key, hash)];
  if (slot.position != 0) return slot.position - 1;
  slot = {uint32_t(members.size() + 1), hash};
  return kNone;
}

void JsonIndex::grow(const std::vector<Json::Member>& members) {
  const std::vector<Slot> old = std::move(slots_);
  slots_.assign(old.empty() ? kFew * 4 : old.size() * 2, {});
  const size_t mask = slots_.size() - 1;
  const auto insert = [&](Slot slot) {
    size_t at = slot.hash & mask;
    while (slots_[at].position != 0) at = (at + 1) & mask;
    slots_[at] = slot;
  };
  for (const Slot& slot : old) {
    if (slot.position != 0) insert(slot);
  }
  for (size_t i = 0; old.empty() && i < members.size(); ++i)
    insert({uint32_t(i + 1), hash_of(members[i].first)});
}

}  // namespace ocelli::base
