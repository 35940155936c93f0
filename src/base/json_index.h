// Finds the member of a JSON object by its key: by looking at each while there are few, through a
// hash table (open addressing, at most half full) once there are many.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace ocelli::base {

class JsonIndex {
 public:
  static constexpr size_t kNone = SIZE_MAX;
  static constexpr size_t kFew = 16;  // up to here comparing is faster than hashing

  // The position of `key` in `members`, or kNone.
  size_t find(const std::vector<Json::Member>& members, std::string_view key) const;

  // The same; after kNone the caller puts `key` at the end of `members`, which is noted already.
  size_t find_or_add(const std::vector<Json::Member>& members, std::string_view key);

 private:
  struct Slot {
    uint32_t position = 0;  // + 1; 0 where empty
    uint32_t hash = 0;      // spares most comparisons, and hashing again when the table grows
  };
  // Where the key is, or belongs.
  size_t slot_of(const std::vector<Json::Member>& members, std::string_view key,
                 uint32_t hash) const;
  void grow(const std::vector<Json::Member>& members);

  std::vector<Slot> slots_;  // their number is a power of two
};

}  // namespace ocelli::base
