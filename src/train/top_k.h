// TopK: what a teacher says in the place of each trained token of a text: its likeliest tokens and
// how likely they are. And TopKSource, where a student gets it from: a teacher that reads along
// (teacher.h), or a file that one has written (top_k_file.h).
//
// Teacher and student may see one picture in different numbers of tokens, so only their trained
// tokens are laid side by side: those must be the same.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/hash.h"
#include "text/tokenizer.h"
#include "train/dataset.h"
#include "train/sample.h"

namespace ocelli::train {

// Of n trained tokens, in the order of the text. Ids are below the tokenizer's id_limit(); those of
// one token are different, the likeliest first. A log-probability is that of the whole vocabulary
// at the temperature, so that the k probabilities add up to one at most.
struct TopK {
  int64_t k = 0;
  std::vector<int32_t> tokens;   // [n], the trained tokens themselves
  std::vector<int32_t> ids;      // [n, k]
  std::vector<float> log_probs;  // [n, k]

  int64_t count() const { return int64_t(tokens.size()); }
};

class TopKSource {
 public:
  virtual ~TopKSource() = default;
  // For exactly the trained tokens of the example. Errors name the row's line.
  virtual base::Result<TopK> of(const Example& example) = 0;
};

// The tokens of a sample that somebody predicts.
std::vector<int32_t> trained_ids(const Sample& sample);

// Where the student's trained tokens begin among the teacher's. A sample may have been shortened:
// the student's are the first of the teacher's or, `at_end`, the last. kBadInput names the first
// token that differs.
base::Result<size_t> find_shared(std::span<const int32_t> teacher, std::span<const int32_t> student,
                                 bool at_end, const text::Tokenizer& tokenizer);

// Tokens with their ids; equal for tokenizers whose texts mean the same ids.
base::Digest256 vocabulary_hash(const text::Tokenizer& tokenizer);
// kUsage names the first token that differs.
base::Status check_same_vocabulary(const text::Tokenizer& teacher, const text::Tokenizer& student);

// The `k` largest of `count` logits (the first of equals first), and what softmax(logits /
// temperature) over all of `vocabulary` >= `count` gives them. Requires 0 < k <= count. False where
// the logits are not finite.
struct TopKRow {
  std::span<const float> logits;  // [vocabulary]
  int64_t count = 0;              // of those that may be chosen
  double temperature = 1;
};
bool choose_top_k(const TopKRow& row, std::span<int32_t> ids, std::span<float> log_probs);

}  // namespace ocelli::train
