#include "metrics/logits.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace ocelli::metrics {

size_t top_token(std::span<const float> logits) {
  OCELLI_CHECK(!logits.empty(), "a row has a number");
  return size_t(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

double log_sum_exp(std::span<const float> logits) {
  const double most = logits[top_token(logits)];
  if (std::isinf(most)) return most;
  double sum = 0;
  for (const float x : logits) sum += std::exp(double(x) - most);
  return most + std::log(sum);
}

double log_probability(std::span<const float> logits, size_t token) {
  OCELLI_CHECK(token < logits.size(), "a token of the vocabulary");
  return double(logits[token]) - log_sum_exp(logits);
}

RowComparison compare_rows(std::span<const float> reference, std::span<const float> other) {
  OCELLI_CHECK(!reference.empty() && reference.size() == other.size(), "rows of one length");
  const double log_p = log_sum_exp(reference), log_q = log_sum_exp(other);
  double kl = 0, sum = 0, squares = 0, largest = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    const double a = reference[i], b = other[i];
    const double p = std::exp(a - log_p);
    // What the reference excludes adds nothing, whatever the other says; NaN stays NaN.
    if (p != 0) kl += p * ((a - log_p) - (b - log_q));
    sum += a;
    squares += a * a;
    if (std::abs(a - b) > largest) largest = std::abs(a - b);
  }
  const double n = double(reference.size()), mean = sum / n;
  const double deviation = std::sqrt(std::max(0.0, squares / n - mean * mean));
  RowComparison out;
  out.kl = kl < 0 ? 0 : kl;
  out.same_top = top_token(reference) == top_token(other);
  out.spread = largest == 0    ? 0
               : deviation > 0 ? largest / deviation
                               : std::numeric_limits<double>::infinity();
  return out;
}

double perplexity(double sum_of_log_probabilities, size_t tokens) {
  OCELLI_CHECK(tokens > 0, "a token to judge by");
  return std::exp(-sum_of_log_probabilities / double(tokens));
}

}  // namespace ocelli::metrics
