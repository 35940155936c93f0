// Finds many fixed strings in a text at once, in time linear in the text whatever the strings are.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ocelli::text {

// At each place of a text, the longest of the strings that starts there; then, from the left, those
// that do not overlap (leftmost, longest: as Hugging Face tokenizers look for added tokens).
//
// An Aho-Corasick automaton of the strings reversed reads the text from its end. Reading forwards
// finds where strings end, and choosing the leftmost longest among those is quadratic on strings
// such as "a" and "aaaa...b"; reading backwards finds where they start, and no choice is left.
class TokenMatcher {
 public:
  struct Hit {
    size_t begin;
    int32_t value;
  };

  TokenMatcher() = default;
  // Strings must not be empty nor repeat. `values` are what a Hit carries, not negative.
  TokenMatcher(const std::vector<std::string_view>& strings, const std::vector<int32_t>& values);

  bool empty() const { return nodes_.empty(); }

  // Appends, from the last to the first, every place where some string starts and the longest
  // that does. They may overlap: the caller knows what to do with a match that it does not want.
  void find_backwards(std::string_view text, std::vector<Hit>& hits) const;

 private:
  // Children are a list through `sibling`, but the root's, which every mismatch comes back to.
  struct Node {
    uint32_t child = 0, sibling = 0, fail = 0;  // 0 (the root) stands for none
    int32_t value = -1;                         // of the longest string that ends here, if any
    uint8_t byte = 0;
  };
  uint32_t child(uint32_t node, uint8_t byte) const;
  void link();

  std::vector<Node> nodes_;
  std::array<uint32_t, 256> first_{};  // children of the root
};

}  // namespace ocelli::text
