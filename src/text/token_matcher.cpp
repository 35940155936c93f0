#include "text/token_matcher.h"

namespace ocelli::text {

uint32_t TokenMatcher::child(uint32_t node, uint8_t byte) const {
  if (node == 0) return first_[byte];
  uint32_t c = nodes_[node].child;
  while (c != 0 && nodes_[c].byte != byte) c = nodes_[c].sibling;
  return c;
}

TokenMatcher::TokenMatcher(const std::vector<std::string_view>& strings,
                           const std::vector<int32_t>& values) {
  if (strings.empty()) return;
  nodes_.emplace_back();
  for (size_t i = 0; i < strings.size(); ++i) {
    uint32_t at = 0;
    for (size_t k = strings[i].size(); k-- > 0;) {
      const uint8_t byte = static_cast<uint8_t>(strings[i][k]);
      uint32_t next = child(at, byte);
      if (next == 0) {
        next = static_cast<uint32_t>(nodes_.size());
        nodes_.push_back({.sibling = at == 0 ? 0 : nodes_[at].child, .byte = byte});
        (at == 0 ? first_[byte] : nodes_[at].child) = next;
      }
      at = next;
    }
    nodes_[at].value = values[i];
  }
  link();
}

void TokenMatcher::link() {
  std::vector<uint32_t> queue;
  queue.reserve(nodes_.size());
  for (const uint32_t c : first_) {
    if (c != 0) queue.push_back(c);
  }
  for (size_t i = 0; i < queue.size(); ++i) {
    const uint32_t at = queue[i];
    if (nodes_[at].value < 0) nodes_[at].value = nodes_[nodes_[at].fail].value;
    for (uint32_t c = nodes_[at].child; c != 0; c = nodes_[c].sibling) {
      uint32_t f = nodes_[at].fail;
      while (f != 0 && child(f, nodes_[c].byte) == 0) f = nodes_[f].fail;
      nodes_[c].fail = child(f, nodes_[c].byte);
      queue.push_back(c);
    }
  }
}

void TokenMatcher::find_backwards(std::string_view text, std::vector<Hit>& hits) const {
  if (nodes_.empty()) return;
  uint32_t state = 0;
  for (size_t at = text.size(); at-- > 0;) {
    const uint8_t byte = static_cast<uint8_t>(text[at]);
    uint32_t next = child(state, byte);
    while (next == 0 && state != 0) {
      state = nodes_[state].fail;
      next = child(state, byte);
    }
    state = next;
    if (nodes_[state].value >= 0) hits.push_back({at, nodes_[state].value});
  }
}

}  // namespace ocelli::text
