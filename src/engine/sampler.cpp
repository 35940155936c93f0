#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/rng.h"

namespace ocelli::engine {

using base::Code;
using base::Result;
using base::Status;

namespace {

constexpr int kMaxTopLogprobs = 20;
constexpr uint32_t kSamplerOp = 0x5A3B1E;  // a random stream of its own
constexpr size_t kMaxBias = 1024;

Status in_range(const char* name, double value, double low, double high) {
  if (std::isfinite(value) && value >= low && value <= high) return {};
  const auto text = [](double x) {
    std::string s = std::to_string(x);
    s.erase(s.find_last_not_of('0') + 1);
    if (s.back() == '.') s.pop_back();
    return s;
  };
  return base::fail(Code::kUsage, std::string(name) + " must be from " + text(low) + " to " +
                                      text(high) + " (" + text(value) + ")");
}

// Both loops in lanes that a compiler turns into vectors: a vocabulary goes through for each token.
constexpr size_t kLanes = 16;

bool all_finite(std::span<const float> x) {
  float lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= x.size(); i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) lanes[j] += x[i + j] * 0;  // NaN from then on
  }
  for (; i < x.size(); ++i) lanes[0] += x[i] * 0;
  return std::all_of(std::begin(lanes), std::end(lanes), [](float a) { return a == 0; });
}

float highest_of(std::span<const float> x) {
  float lanes[kLanes];
  std::fill(std::begin(lanes), std::end(lanes), x[0]);
  size_t i = 0;
  for (; i + kLanes <= x.size(); i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
  }
  for (; i < x.size(); ++i) lanes[0] = std::max(lanes[0], x[i]);
  return *std::max_element(std::begin(lanes), std::end(lanes));
}

double log_sum_exp(std::span<const float> x) {
  const double highest = highest_of(x);
  double sum = 0;
  for (const float a : x) sum += std::exp(double(a) - highest);
  return highest + std::log(sum);
}

bool more_likely(float a, int32_t a_id, float b, int32_t b_id) {
  return a > b || (a == b && a_id < b_id);
}

std::vector<TokenLogprob> most_likely(std::span<const float> logits, int count, double log_sum) {
  std::vector<TokenLogprob> top;
  for (size_t i = 0; i < logits.size(); ++i) {
    const TokenLogprob t{int32_t(i), logits[i]};
    if (int(top.size()) == count &&
        !more_likely(t.logprob, t.id, top.back().logprob, top.back().id))
      continue;
    const auto at = std::find_if(top.begin(), top.end(), [&](const TokenLogprob& o) {
      return more_likely(t.logprob, t.id, o.logprob, o.id);
    });
    top.insert(at, t);
    if (int(top.size()) > count) top.pop_back();
  }
  for (TokenLogprob& t : top) t.logprob = float(double(t.logprob) - log_sum);
  return top;
}

}  // namespace

Status check(const SamplingOptions& o, int64_t vocab) {
  OCELLI_TRY(in_range("temperature", o.temperature, 0, 100));
  OCELLI_TRY(in_range("top-k", o.top_k, 0, 1 << 30));
  OCELLI_TRY(in_range("top-p", o.top_p, 0, 1));
  OCELLI_TRY(in_range("min-p", o.min_p, 0, 1));
  OCELLI_TRY(in_range("repetition penalty", o.repetition_penalty, 0.01, 100));
  OCELLI_TRY(in_range("presence penalty", o.presence_penalty, -100, 100));
  OCELLI_TRY(in_range("frequency penalty", o.frequency_penalty, -100, 100));
  OCELLI_TRY(in_range("number of log-probabilities", o.top_logprobs, 0, kMaxTopLogprobs));
  OCELLI_TRY(in_range("number of logit biases", double(o.logit_bias.size()), 0, double(kMaxBias)));
  for (const auto& [id, bias] : o.logit_bias) {
    OCELLI_TRY(in_range("token id of a logit bias", id, 0, double(vocab - 1)));
    OCELLI_TRY(in_range("logit bias", bias, -100, 100));
  }
  return {};
}

void Sampler::apply_penalties(std::span<float> logits, std::span<const int32_t> prompt,
                              std::span<const int32_t> answer) {
  if (options_.repetition_penalty != 1) {
    const auto penalty = float(options_.repetition_penalty);
    std::unordered_set<int32_t> seen(prompt.begin(), prompt.end());
    seen.insert(answer.begin(), answer.end());
    for (const int32_t id : seen) {
      float& x = logits[size_t(id)];
      x = x < 0 ? x * penalty : x / penalty;
    }
  }
  if (options_.presence_penalty != 0 || options_.frequency_penalty != 0) {
    std::unordered_map<int32_t, int> counts;
    for (const int32_t id : answer) ++counts[id];
    for (const auto& [id, n] : counts) {
      logits[size_t(id)] -= float(options_.presence_penalty + options_.frequency_penalty * n);
    }
  }
  for (const auto& [id, bias] : options_.logit_bias) logits[size_t(id)] += float(bias);
}

int32_t Sampler::draw(std::span<const float> logits, uint64_t position) {
  const auto best =
      int32_t(std::find(logits.begin(), logits.end(), highest_of(logits)) - logits.begin());
  if (options_.temperature == 0 || options_.top_k == 1) return best;
  const double inverse = 1.0 / options_.temperature;
  const double highest = logits[size_t(best)];
  double total = 0;
  candidates_.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    const auto weight = float(std::exp((double(logits[i]) - highest) * inverse));
    candidates_.push_back({weight, int32_t(i)});
    total += weight;
  }
  const auto order = [](const Candidate& a, const Candidate& b) {
    return more_likely(a.weight, a.id, b.weight, b.id);
  };
  if (options_.top_k > 0 && size_t(options_.top_k) < candidates_.size()) {
    std::nth_element(candidates_.begin(), candidates_.begin() + options_.top_k, candidates_.end(),
                     order);
    candidates_.resize(size_t(options_.top_k));
    total = 0;
    for (const Candidate& c : candidates_) total += c.weight;
  }
  if (options_.top_p < 1) {
    // All tokens below this weight together have less than 1 - top_p: they cannot be needed to
    // reach top_p, and leaving them out before sorting saves most of the sort.
    const double floor = (1 - options_.top_p) * total / double(candidates_.size());
    std::erase_if(candidates_,
                  [&](const Candidate& c) { return c.weight < floor && c.id != best; });
    std::sort(candidates_.begin(), candidates_.end(), order);
    size_t keep = 0;
    for (double sum = 0; keep < candidates_.size() && (keep == 0 || sum < options_.top_p * total);
         ++keep) {
      sum += candidates_[keep].weight;
    }
    candidates_.resize(keep);
  }
  // The best weight is exp(0) = 1.
  if (options_.min_p > 0) {
    std::erase_if(candidates_,
                  [&](const Candidate& c) { return c.weight < options_.min_p && c.id != best; });
  }
  std::sort(candidates_.begin(), candidates_.end(),
            [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
  total = 0;
  for (const Candidate& c : candidates_) total += c.weight;
  double left =
      base::Rng(options_.seed, uint32_t(position), 0, kSamplerOp).next_uniform_double() * total;
  for (const Candidate& c : candidates_) {
    left -= c.weight;
    if (left < 0) return c.id;
  }
  return best;
}

Result<Sampled> Sampler::sample(std::span<float> logits, std::span<const int32_t> prompt,
                                std::span<const int32_t> answer, uint64_t position) {
  if (!all_finite(logits)) {
    return base::fail(Code::kBadInput,
                      "the model gave logits that are not finite; its weights are damaged or its "
                      "numbers overflow");
  }
  const bool wanted = options_.logprobs || options_.top_logprobs > 0;
  const double log_sum = wanted ? log_sum_exp(logits) : 0;
  const auto logprob = [&](float logit) { return wanted ? float(double(logit) - log_sum) : 0; };
  Sampled out;
  if (options_.top_logprobs > 0) out.top = most_likely(logits, options_.top_logprobs, log_sum);
  const bool changed = options_.repetition_penalty != 1 || options_.presence_penalty != 0 ||
                       options_.frequency_penalty != 0 || !options_.logit_bias.empty();
  if (!changed) {
    const int32_t id = draw(logits, position);
    out.token = {id, logprob(logits[size_t(id)])};
    return out;
  }
  const std::vector<float> before(logits.begin(), logits.end());
  apply_penalties(logits, prompt, answer);
  const int32_t id = draw(logits, position);
  out.token = {id, logprob(before[size_t(id)])};
  return out;
}

}  // namespace ocelli::engine
