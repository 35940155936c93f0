#include "train/sample.h"

#include <numeric>

namespace ocelli::train {

int64_t Sample::trained_tokens() const {
  // The first token follows nothing: nobody predicts it.
  return trained.empty() ? 0 : std::accumulate(trained.begin() + 1, trained.end(), int64_t{0});
}

int64_t Batch::tokens() const {
  int64_t sum = 0;
  for (const Example& e : examples) {
    sum += e.sample.tokens() + (e.rejected ? e.rejected->tokens() : 0);
  }
  return sum;
}

int64_t Batch::trained_tokens() const {
  int64_t sum = 0;
  for (const Example& e : examples) {
    sum += e.sample.trained_tokens() + (e.rejected ? e.rejected->trained_tokens() : 0);
  }
  return sum;
}

std::vector<int32_t> next_tokens(const Sample& sample) {
  std::vector<int32_t> next(sample.prompt.ids.size(), -1);
  for (size_t i = 0; i + 1 < next.size(); ++i) {
    if (sample.trained[i + 1]) next[i] = sample.prompt.ids[i + 1];
  }
  return next;
}

}  // namespace ocelli::train
