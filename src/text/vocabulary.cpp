#include "text/vocabulary.h"

#include <algorithm>
#include <bit>

#include "base/siphash.h"

namespace ocelli::text {
namespace {

using base::Code;
using base::fail;

constexpr size_t kFirstSlots = 1024;
constexpr size_t kMaxTextBytes = size_t{1} << 30;  // of all tokens together; offsets are 32 bits

uint64_t hash_of(std::string_view token) {
  return base::siphash(token, base::process_sip_key());
}

}  // namespace

size_t Vocabulary::slot_of(std::string_view token, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  const uint32_t tag = static_cast<uint32_t>(hash >> 32);
  size_t at = hash & mask;
  while (slots_[at].id >= 0 && !(slots_[at].tag == tag && this->token(slots_[at].id) == token))
    at = (at + 1) & mask;
  return at;
}

void Vocabulary::grow_slots(size_t size) {
  slots_.assign(size, {});
  for (int32_t id = 0; id < id_limit(); ++id) {
    if (!has(id)) continue;
    const uint64_t hash = hash_of(token(id));
    slots_[slot_of(token(id), hash)] = {id, static_cast<uint32_t>(hash >> 32)};
  }
}

void Vocabulary::reserve(size_t count) {
  const size_t size = std::bit_ceil(std::max(kFirstSlots, 2 * std::min<size_t>(count, kMaxTokens)));
  if (size > slots_.size()) grow_slots(size);
}

base::Status Vocabulary::add(std::string_view token, int64_t id) {
  const auto shown = [&] { return "token \"" + base::printable(token, 80) + "\""; };
  if (id < 0 || id >= kMaxTokens) {
    return fail(Code::kBadInput, shown() + " has an id out of range (" + std::to_string(id) +
                                     ", limit " + std::to_string(kMaxTokens) + ")");
  }
  if (token.size() > kMaxTokenBytes) {
    return fail(Code::kBadInput, shown() + " is too long (" + std::to_string(token.size()) +
                                     " bytes, limit " + std::to_string(kMaxTokenBytes) + ")");
  }
  if (text_.size() + token.size() > kMaxTextBytes) {
    return fail(Code::kBadInput, "the tokens together are too long (limit " +
                                     std::to_string(kMaxTextBytes) + " bytes)");
  }
  if (has(static_cast<int32_t>(id))) {
    return fail(Code::kBadInput,
                shown() + " has the id " + std::to_string(id) + ", which is that of \"" +
                    base::printable(this->token(static_cast<int32_t>(id)), 80) + "\"");
  }
  if (slots_.size() < 2 * (count_ + 1)) grow_slots(std::max(kFirstSlots, slots_.size() * 2));
  const uint64_t hash = hash_of(token);
  const size_t slot = slot_of(token, hash);
  if (slots_[slot].id >= 0) return fail(Code::kBadInput, shown() + " appears twice");
  if (static_cast<size_t>(id) >= entries_.size()) entries_.resize(static_cast<size_t>(id) + 1);
  Entry& e = entries_[static_cast<size_t>(id)];
  e.offset = static_cast<uint32_t>(text_.size());
  e.bytes = static_cast<uint32_t>(token.size()) & 0x7FFFFFFF;
  e.used = 1;
  text_ += token;
  slots_[slot] = {static_cast<int32_t>(id), static_cast<uint32_t>(hash >> 32)};
  ++count_;
  return {};
}

std::optional<int32_t> Vocabulary::find(std::string_view token) const {
  if (slots_.empty()) return std::nullopt;
  const int32_t id = slots_[slot_of(token, hash_of(token))].id;
  return id < 0 ? std::nullopt : std::optional<int32_t>(id);
}

}  // namespace ocelli::text
