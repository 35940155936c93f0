#include "engine/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "base/rng.h"

namespace ocelli::engine {
namespace {

using testing::HasSubstr;

std::vector<float> random_logits(size_t n, uint64_t seed) {
  base::Rng rng(seed);
  std::vector<float> out(n);
  for (float& x : out) x = float(rng.next_uniform_double() * 8 - 4);
  return out;
}

int32_t one(const SamplingOptions& options, std::vector<float> logits, uint64_t position = 0,
            std::vector<int32_t> prompt = {}, std::vector<int32_t> answer = {}) {
  Sampler sampler(options);
  auto out = sampler.sample(logits, prompt, answer, position);
  EXPECT_TRUE(out.ok());
  return out.ok() ? out->token.id : -1;
}

// Plain definition of transformers' order: sort by probability, keep top_k, renormalize, keep the
// fewest that reach top_p, then those of at least min_p of the best. Result: probability of each
// id.
std::map<int32_t, double> definition(const std::vector<float>& logits, const SamplingOptions& o) {
  std::vector<std::pair<double, int32_t>> p;
  for (size_t i = 0; i < logits.size(); ++i)
    p.push_back({double(logits[i]) / o.temperature, int32_t(i)});
  std::sort(p.begin(), p.end(), [](auto a, auto b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  const double best = p[0].first;
  for (auto& [x, id] : p) x = std::exp(x - best);
  if (o.top_k > 0 && size_t(o.top_k) < p.size()) p.resize(size_t(o.top_k));
  const auto sum = [&] {
    return std::accumulate(p.begin(), p.end(), 0.0,
                           [](double s, const auto& x) { return s + x.first; });
  };
  if (o.top_p < 1) {
    const double total = sum();
    double before = 0;
    size_t keep = 0;
    while (keep < p.size() && (keep == 0 || before < o.top_p * total)) before += p[keep++].first;
    p.resize(keep);
  }
  std::erase_if(p, [&](const auto& x) { return x.first < o.min_p; });
  const double total = sum();
  std::map<int32_t, double> out;
  for (const auto& [x, id] : p) out[id] = x / total;
  return out;
}

std::map<int32_t, double> measured(const std::vector<float>& logits, const SamplingOptions& o,
                                   int draws) {
  std::map<int32_t, double> out;
  for (int i = 0; i < draws; ++i) out[one(o, logits, uint64_t(i))] += 1.0 / draws;
  return out;
}

TEST(Sampler, GreedyTakesTheFirstOfEquals) {
  EXPECT_EQ(one({}, {1, 3, 3, 2}), 1);
  EXPECT_EQ(one({}, {-5, -5, -5}), 0);
  EXPECT_EQ(one({}, {0, 0, 0, 1e-30f}), 3);
}

TEST(Sampler, TopKOfOneIsGreedyAtAnyTemperature) {
  SamplingOptions o;
  o.temperature = 5;
  o.top_k = 1;
  for (uint64_t at = 0; at < 50; ++at) EXPECT_EQ(one(o, {1, 2, 2, 0}, at), 1);
}

TEST(Sampler, DrawsFollowThePlainDefinition) {
  struct Case {
    double temperature, top_p, min_p;
    int top_k;
  };
  const Case cases[] = {{1, 1, 0, 0},    {0.5, 1, 0, 0}, {2, 1, 0, 5},      {1, 0.7, 0, 0},
                        {1, 0.05, 0, 0}, {1, 1, 0.2, 0}, {1.3, 0.8, 0, 12}, {0.8, 0.9, 0.1, 9},
                        {1, 0, 0, 0},    {1, 1, 1, 0},   {3, 0.999, 0, 0},  {1, 1, 0, 1000}};
  constexpr int kDraws = 20000;
  uint64_t seed = 1;
  for (const Case& c : cases) {
    SCOPED_TRACE(testing::Message() << "temperature " << c.temperature << " top-k " << c.top_k
                                    << " top-p " << c.top_p << " min-p " << c.min_p);
    SamplingOptions o;
    o.temperature = c.temperature;
    o.top_k = c.top_k;
    o.top_p = c.top_p;
    o.min_p = c.min_p;
    o.seed = seed;
    const std::vector<float> logits = random_logits(40, seed++);
    const auto expected = definition(logits, o);
    const auto got = measured(logits, o, kDraws);
    for (const auto& [id, p] : got)
      EXPECT_TRUE(expected.count(id)) << "token " << id << " should have been cut";
    for (const auto& [id, p] : expected) {
      const double f = got.count(id) ? got.at(id) : 0;
      EXPECT_NEAR(f, p, 5 * std::sqrt(p * (1 - p) / kDraws) + 1e-12) << "token " << id;
    }
  }
}

TEST(Sampler, TheSetThatTopPKeepsIsExactNearItsBorder) {
  // Probabilities 0.5, 0.25, 0.125, 0.125: the second reaches 0.75 exactly.
  const std::vector<float> logits{std::log(4.f), std::log(2.f), 0, 0};
  SamplingOptions o;
  o.temperature = 1;
  o.top_p = 0.74;
  EXPECT_EQ(measured(logits, o, 300).size(), 2u);
  o.top_p = 0.76;
  EXPECT_EQ(measured(logits, o, 300).size(), 3u);
  o.top_p = 0.49;
  EXPECT_EQ(measured(logits, o, 300).size(), 1u);
}

TEST(Sampler, ADrawDependsOnSeedAndPositionAlone) {
  SamplingOptions o;
  o.temperature = 1;
  o.seed = 7;
  std::vector<int32_t> forwards, backwards;
  Sampler a(o), b(o);
  for (uint64_t at = 0; at < 100; ++at) {
    auto logits = random_logits(50, at);
    forwards.push_back(a.sample(logits, {}, {}, at)->token.id);
  }
  for (uint64_t at = 100; at-- > 0;) {
    auto logits = random_logits(50, at);
    backwards.push_back(b.sample(logits, {}, {}, at)->token.id);
  }
  std::reverse(backwards.begin(), backwards.end());
  EXPECT_EQ(forwards, backwards);
  o.seed = 8;
  std::vector<int32_t> other;
  for (uint64_t at = 0; at < 100; ++at) other.push_back(one(o, random_logits(50, at), at));
  EXPECT_NE(forwards, other);
}

TEST(Sampler, RepetitionPenaltyCountsPromptAndAnswerOnce) {
  SamplingOptions o;
  o.repetition_penalty = 2;
  // 3 / 2 < 2 in the prompt; a token that appears twice is divided once: 5 / 2 > 2.
  EXPECT_EQ(one(o, {3, 2, 0}, 0, {0}), 1);
  EXPECT_EQ(one(o, {5, 2, 0}, 0, {0, 0}, {0}), 0);
  // Negative logits are multiplied: -1 becomes -2, below -1.5.
  EXPECT_EQ(one(o, {-1, -1.5f}, 0, {}, {0}), 1);
}

TEST(Sampler, PresenceAndFrequencyCountTheAnswerOnly) {
  SamplingOptions presence;
  presence.presence_penalty = 1.5;
  EXPECT_EQ(one(presence, {3, 2}, 0, {0, 0, 0}, {}), 0);
  EXPECT_EQ(one(presence, {3, 2}, 0, {}, {0}), 1);
  EXPECT_EQ(one(presence, {4, 2}, 0, {}, {0, 0, 0}), 0);  // once, however often
  SamplingOptions frequency;
  frequency.frequency_penalty = 0.6;
  EXPECT_EQ(one(frequency, {3, 2}, 0, {}, {0}), 0);
  EXPECT_EQ(one(frequency, {3, 2}, 0, {}, {0, 0}), 1);
}

TEST(Sampler, LogitBias) {
  SamplingOptions o;
  o.logit_bias = {{2, 5.0}, {0, -100.0}};
  EXPECT_EQ(one(o, {9, 3, 0, 4}), 2);
}

TEST(Sampler, LogprobsAreOfTheModelBeforeAnyOption) {
  SamplingOptions o;
  o.logit_bias = {{0, 50.0}};
  o.temperature = 3;
  o.top_k = 1;
  o.top_logprobs = 3;
  std::vector<float> logits{std::log(1.f), std::log(6.f), std::log(1.f), std::log(2.f)};
  Sampler sampler(o);
  const auto out = sampler.sample(logits, {}, {}, 0);
  ASSERT_TRUE(out.ok());
  EXPECT_EQ(out->token.id, 0);
  EXPECT_NEAR(out->token.logprob, std::log(0.1), 1e-6);
  ASSERT_EQ(out->top.size(), 3u);
  EXPECT_EQ(out->top[0].id, 1);
  EXPECT_EQ(out->top[1].id, 3);
  EXPECT_EQ(out->top[2].id, 0);  // the first of equals
  EXPECT_NEAR(out->top[0].logprob, std::log(0.6), 1e-6);
}

TEST(Sampler, LogitsThatAreNotFiniteAreAnError) {
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    std::vector<float> logits{1, bad, 2};
    Sampler sampler({});
    const auto out = sampler.sample(logits, {}, {}, 0);
    ASSERT_FALSE(out.ok());
    EXPECT_EQ(out.error().code, base::Code::kBadInput);
    EXPECT_THAT(out.error().message(), HasSubstr("not finite"));
  }
}

TEST(Sampler, HugeLogitsStayExact) {
  SamplingOptions o;
  o.temperature = 0.01;
  EXPECT_EQ(one(o, {-3e38f, 3e38f, 0}), 1);
}

TEST(Sampler, OptionsOutOfRangeAreRefused) {
  const auto refused = [](auto&& change) {
    SamplingOptions o;
    change(o);
    const auto status = check(o, 100);
    return !status.ok() && status.error().code == base::Code::kUsage;
  };
  const double nan = std::nan("");
  EXPECT_TRUE(check(SamplingOptions{}, 100).ok());
  EXPECT_TRUE(refused([](auto& o) { o.temperature = -0.1; }));
  EXPECT_TRUE(refused([&](auto& o) { o.temperature = nan; }));
  EXPECT_TRUE(refused([](auto& o) { o.temperature = INFINITY; }));
  EXPECT_TRUE(refused([](auto& o) { o.top_k = -1; }));
  EXPECT_TRUE(refused([](auto& o) { o.top_p = 1.5; }));
  EXPECT_TRUE(refused([](auto& o) { o.min_p = -0.5; }));
  EXPECT_TRUE(refused([](auto& o) { o.repetition_penalty = 0; }));
  EXPECT_TRUE(refused([&](auto& o) { o.presence_penalty = nan; }));
  EXPECT_TRUE(refused([](auto& o) { o.frequency_penalty = 101; }));
  EXPECT_TRUE(refused([](auto& o) { o.top_logprobs = 21; }));
  EXPECT_TRUE(refused([](auto& o) { o.logit_bias = {{100, 1.0}}; }));
  EXPECT_TRUE(refused([](auto& o) { o.logit_bias = {{-1, 1.0}}; }));
  EXPECT_TRUE(refused([](auto& o) { o.logit_bias = {{0, 101.0}}; }));
  EXPECT_TRUE(refused([](auto& o) { o.logit_bias.assign(1025, {0, 1.0}); }));
}

}  // namespace
}  // namespace ocelli::engine
