// Sampler: from logits to the next token.
//
// The order is that of transformers: repetition and presence penalties, logit bias, temperature,
// top-k, top-p, min-p. A draw depends on the seed and on the token's position alone, not on how
// many draws came before, so the same request gives the same tokens whatever runs beside it.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"

namespace ocelli::engine {

struct SamplingOptions {
  double temperature = 0;  // 0: always the most likely token
  int top_k = 0;           // keep the k most likely; 0: all
  double top_p = 1;        // keep the fewest tokens that reach this probability
  double min_p = 0;        // keep tokens of at least this fraction of the best one's probability
  double repetition_penalty = 1;  // divides (multiplies) positive (negative) logits of seen tokens
  double presence_penalty = 0;    // subtracted from logits of tokens of the answer so far
  double frequency_penalty = 0;   // the same, times how often
  uint64_t seed = 0;
  std::vector<std::pair<int32_t, double>> logit_bias;  // added to the logit of a token
  bool logprobs = false;                               // report each token's log-probability
  int top_logprobs = 0;                                // and this many alternatives
};

// Each value in its range, finite; token ids inside the vocabulary.
base::Status check(const SamplingOptions& options, int64_t vocab);

struct TokenLogprob {
  int32_t id = 0;
  // Natural logarithm, under the model's own distribution before any option; 0 if not asked for.
  float logprob = 0;
};

struct Sampled {
  TokenLogprob token;
  std::vector<TokenLogprob> top;  // options.top_logprobs of them, most likely first
};

class Sampler {
 public:
  explicit Sampler(SamplingOptions options) : options_(std::move(options)) {}

  // `logits` is changed. `prompt` and `answer` are the tokens so far; `position` is the place in
  // the sequence of the token to be drawn. Logits that are not finite are an error of the model.
  base::Result<Sampled> sample(std::span<float> logits, std::span<const int32_t> prompt,
                               std::span<const int32_t> answer, uint64_t position);

 private:
  void apply_penalties(std::span<float> logits, std::span<const int32_t> prompt,
                       std::span<const int32_t> answer);
  int32_t draw(std::span<const float> logits, uint64_t position);

  struct Candidate {
    float weight;  // exp(logit - max), not normalized
    int32_t id;
  };
  SamplingOptions options_;
  std::vector<Candidate> candidates_;
};

}  // namespace ocelli::engine
