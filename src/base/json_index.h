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

  // The position of `key` in `members`, or kNone. Every member must have been added().
  size_t find(const std::vector<Json::Member>& members, std::string_view key) const;

  // Call after each member put at the end of `members`.
  void added(const std::vector<Json::Member>& members);

 private:
  void insert(const std::vector<Json::Member>& members, size_t position);

  std::vector<uint32_t> slots_;  // position + 1, or 0 where empty; the size is a power of two
};

}  // namespace ocelli::base
