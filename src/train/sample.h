// Sample: one training text, tokenized, with its pictures and with the tokens that carry loss.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/prompt.h"

namespace ocelli::train {

struct Sample {
  engine::Prompt prompt;         // ids, pictures and which id is which picture embedding
  std::vector<uint8_t> trained;  // per id: 1 where the model learns to say it. Never a picture's.
  std::vector<int32_t>
      picture{};       // per id: number of the picture it is part of, or -1; may be empty
  bool plain = false;  // a text without turns, all of which is learnt

  int64_t tokens() const { return int64_t(prompt.ids.size()); }
  int64_t trained_tokens() const;
};

// A row of a dataset as the model sees it.
struct Example {
  int64_t row = 0;                 // its number in the dataset, from 0
  Sample sample;                   // of a preference pair, the chosen answer
  std::optional<Sample> rejected;  // of a preference pair
};

// The samples of one forward pass. They lie side by side and do not see each other
// (nn::Sequence::packed), so that there is no padding.
struct Batch {
  std::vector<Example> examples;

  int64_t tokens() const;          // with the rejected ones
  int64_t trained_tokens() const;  // with the rejected ones
};

// What to predict after each token: the next one where that is trained, else -1; [tokens()].
std::vector<int32_t> next_tokens(const Sample& sample);

}  // namespace ocelli::train
