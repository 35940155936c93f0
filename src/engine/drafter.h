// Guesses the next tokens of an answer, cheaply. The model then reads a guess together with the
// token before it in one pass, and keeps it where it would have drawn the same token itself: the
// answer is what it would have been, token for token, only sooner.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ocelli::engine {

// Most tokens that one pass takes beyond the first. Up to four rows at a time go through the same
// arithmetic as one (cpu::kFewRows), so that with these guesses an answer is the same to the bit.
inline constexpr int64_t kDraftedTokens = 3;
inline constexpr int64_t kMostDraftedTokens = 16;

// Looks for the end of the text earlier in the text: what followed there is the guess. Good where
// an answer quotes: names, code, tables, corrections, JSON with the same keys.
// (Saxena, "Prompt lookup decoding", 2023; transformers: prompt_lookup_num_tokens)
class PromptLookup {
 public:
  // At most `most` tokens that may follow `tokens`; none where it has no idea. Negative tokens
  // stand for what is no text.
  std::vector<int32_t> guess(std::span<const int32_t> tokens, int64_t most) const;
  // How many of the tokens of the last guess were right. After guesses of which none was, more
  // tokens have to agree before the next one.
  void learn(int64_t guessed, int64_t right);

 private:
  static constexpr int64_t kLeastMatch = 2, kLongestMatch = 8;
  int64_t needed_ = kLeastMatch;
};

// Whether the guesses of a model are worth the time that they and their checking take: passes
// without any are measured too, and where they are faster the guessing rests.
class DraftGain {
 public:
  bool wanted() const { return rest_ == 0; }
  // A pass of one token without guesses, or one with guesses that led to so many tokens. The first
  // of those does not count: the small model reads the prompt for it.
  void plain(double seconds);
  void drafted(double seconds, int64_t tokens);

 private:
  static constexpr int kPlain = 2;                      // passes at first
  static constexpr int kRounds = 8;                     // passes with guesses that are judged
  static constexpr int kShortest = 32, kLongest = 512;  // passes of a rest
  int rest_ = kPlain, length_ = kShortest;
  double plain_seconds_ = 0, seconds_ = 0;
  int64_t plain_ = 0, tokens_ = 0;
  int rounds_ = -1;  // that are being judged; -1: none yet
};

}  // namespace ocelli::engine
