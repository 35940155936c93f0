// Logits of a token, compared: how far two models' ideas of the next token are apart.
//
// All arithmetic is scalar and in double precision; a row is what a model says of one position, V
// numbers before the softmax.
#pragma once

#include <cstddef>
#include <span>

namespace ocelli::metrics {

// The first of the largest. Requires a number.
size_t top_token(std::span<const float> logits);

// log sum exp of a row, without overflow.
double log_sum_exp(std::span<const float> logits);

// Of one token, in nats: logits[token] - log_sum_exp(logits).
double log_probability(std::span<const float> logits, size_t token);

struct RowComparison {
  // KL(p || q) = sum p (log p - log q), nats: p the reference's, q the other's probabilities. Never
  // below 0 (rounding is cut off); infinite where q excludes what p allows; NaN where a logit is.
  double kl = 0;
  bool same_top = false;  // the same most probable token
  double spread = 0;      // largest difference of a logit, in standard deviations of the reference
};

// Requires rows of the same, positive length.
RowComparison compare_rows(std::span<const float> reference, std::span<const float> other);

// exp(-mean log-probability): how many tokens the model wavers between.
double perplexity(double sum_of_log_probabilities, size_t tokens);

}  // namespace ocelli::metrics
