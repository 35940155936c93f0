// A list of tokens: id -> string and string -> id.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ocelli::text {

// Ids need not be dense, but memory grows with the largest one: about 12 bytes each beside the
// text.
inline constexpr int32_t kMaxTokens = 1 << 22;
inline constexpr size_t kMaxTokenBytes = size_t{1} << 16;

class Vocabulary {
 public:
  // Room for `count` tokens, at most kMaxTokens, so that the table need not grow.
  void reserve(size_t count);

  // Adds a token. Errors: the id is out of 0..kMaxTokens-1 or taken, the string is taken or longer
  // than kMaxTokenBytes.
  base::Status add(std::string_view token, int64_t id);

  // The empty view for an id without token.
  std::string_view token(int32_t id) const {
    if (!has(id)) return {};
    const Entry& e = entries_[static_cast<size_t>(id)];
    return std::string_view(text_).substr(e.offset, e.bytes);
  }
  bool has(int32_t id) const {
    return id >= 0 && static_cast<size_t>(id) < entries_.size() &&
           entries_[static_cast<size_t>(id)].used;
  }
  std::optional<int32_t> find(std::string_view token) const;

  size_t size() const { return count_; }                                      // tokens
  int32_t id_limit() const { return static_cast<int32_t>(entries_.size()); }  // largest id + 1

 private:
  struct Entry {
    uint32_t offset = 0;
    uint32_t bytes : 31 = 0;
    uint32_t used : 1 = 0;
  };
  // The upper half of the hash spares looking at strings that are another one.
  struct Slot {
    int32_t id = -1;  // free
    uint32_t tag = 0;
  };
  void grow_slots(size_t size);
  // Where the token is, or belongs.
  size_t slot_of(std::string_view token, uint64_t hash) const;

  std::string text_;  // all tokens, one after the other
  std::vector<Entry> entries_;
  std::vector<Slot> slots_;  // open addressing, at most half full; a power of two
  size_t count_ = 0;
};

}  // namespace ocelli::text
