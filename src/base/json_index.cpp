#include "base/json_index.h"

#include "base/siphash.h"

namespace ocelli::base {

size_t JsonIndex::find(const std::vector<Json::Member>& members, std::string_view key) const {
  if (slots_.empty()) {
    for (size_t i = 0; i < members.size(); ++i) {
      if (members[i].first == key) return i;
    }
    return kNone;
  }
  const size_t mask = slots_.size() - 1;
  for (size_t slot = siphash(key, process_sip_key()) & mask; slots_[slot] != 0;
       slot = (slot + 1) & mask) {
    if (members[slots_[slot] - 1].first == key) return slots_[slot] - 1;
  }
  return kNone;
}

void JsonIndex::insert(const std::vector<Json::Member>& members, size_t position) {
  const size_t mask = slots_.size() - 1;
  size_t slot = siphash(members[position].first, process_sip_key()) & mask;
  while (slots_[slot] != 0) slot = (slot + 1) & mask;
  slots_[slot] = uint32_t(position + 1);
}

void JsonIndex::added(const std::vector<Json::Member>& members) {
  if (members.size() <= kFew) return;
  OCELLI_CHECK(members.size() < UINT32_MAX, "an object of fewer than 2^32 members");
  if (members.size() * 2 <= slots_.size()) return insert(members, members.size() - 1);
  slots_.assign(slots_.empty() ? kFew * 4 : slots_.size() * 2, 0);
  for (size_t i = 0; i < members.size(); ++i) insert(members, i);
}

}  // namespace ocelli::base
