#include "engine/drafter.h"

#include <algorithm>

namespace ocelli::engine {

std::vector<int32_t> PromptLookup::guess(std::span<const int32_t> tokens, int64_t most) const {
  const auto count = int64_t(tokens.size());
  // The longest agreement with the end, the latest of several: [0, at) ends as `tokens` does.
  int64_t best = 0, best_length = needed_ - 1;
  for (int64_t at = count - 1; at >= needed_ && best_length < kLongestMatch; --at) {
    int64_t length = 0;
    while (length < std::min(at, kLongestMatch) && tokens[size_t(count - 1 - length)] >= 0 &&
           tokens[size_t(at - 1 - length)] == tokens[size_t(count - 1 - length)]) {
      ++length;
    }
    if (length > best_length) {
      best = at;
      best_length = length;
    }
  }
  std::vector<int32_t> out;
  if (best == 0) return out;
  // A text that repeats itself goes on with what was just guessed.
  for (int64_t i = best; int64_t(out.size()) < most; ++i) {
    const int32_t next = i < count ? tokens[size_t(i)] : out[size_t(i - count)];
    if (next < 0) break;
    out.push_back(next);
  }
  return out;
}

void PromptLookup::learn(int64_t guessed, int64_t right) {
  if (right == guessed) needed_ = kLeastMatch;
  if (right == 0) needed_ = std::min(needed_ + 1, kLongestMatch);
}

void DraftGain::plain(double seconds) {
  plain_seconds_ += seconds;
  ++plain_;
  if (rest_ > 0) --rest_;
}

void DraftGain::drafted(double seconds, int64_t tokens) {
  if (rounds_ < 0) {
    rounds_ = 0;
    return;
  }
  seconds_ += seconds;
  tokens_ += tokens;
  if (++rounds_ < kRounds) return;
  // Seconds a token, with guesses and without.
  const bool pays = plain_ == 0 || seconds_ * double(plain_) < plain_seconds_ * double(tokens_);
  rest_ = pays ? 0 : length_;
  length_ = pays ? kShortest : std::min(2 * length_, kLongest);
  if (!pays) plain_seconds_ = 0, plain_ = 0;  // anew, where the answer is now
  seconds_ = 0;
  tokens_ = 0;
  rounds_ = 0;
}

}  // namespace ocelli::engine
