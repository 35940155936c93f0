// Against values worked out by hand or taken from tables.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "metrics/logits.h"
#include "metrics/summary.h"

namespace ocelli::metrics {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Logits, LogSumExpDoesNotOverflow) {
  EXPECT_NEAR(log_sum_exp(std::vector<float>{0, 0}), std::log(2.0), 1e-15);
  EXPECT_NEAR(log_sum_exp(std::vector<float>{1000, 1000, 1000}), 1000 + std::log(3.0), 1e-12);
  EXPECT_NEAR(log_sum_exp(std::vector<float>{-3e38f, -3e38f}), -3e38, 1e33);
}

TEST(Logits, LogProbabilityOfEachTokenAddsUpToOne) {
  const std::vector<float> row{1, -2, 0.5f, 3};
  double sum = 0;
  for (size_t i = 0; i < row.size(); ++i) sum += std::exp(log_probability(row, i));
  EXPECT_NEAR(sum, 1, 1e-15);
  // softmax of (0, log 3) is (1/4, 3/4)
  const std::vector<float> two{0, std::log(3.0f)};
  EXPECT_NEAR(log_probability(two, 1), std::log(0.75), 1e-7);
}

TEST(Logits, KlDivergenceOfTwoCoins) {
  // p = (1/2, 1/2), q = (1/4, 3/4): KL = 1/2 log 2 + 1/2 log 2/3 = log 2 - 1/2 log 3
  const std::vector<float> p{0, 0}, q{0, std::log(3.0f)};
  const RowComparison c = compare_rows(p, q);
  EXPECT_NEAR(c.kl, std::log(2.0) - 0.5 * std::log(3.0), 1e-7);
  // and the other way round: 1/4 log 1/2 + 3/4 log 3/2
  EXPECT_NEAR(compare_rows(q, p).kl, 0.75 * std::log(3.0) - std::log(2.0), 1e-7);
}

TEST(Logits, KlDivergenceKnowsNoShiftAndIsNeverNegative) {
  const std::vector<float> a{1, 2, 3, -4}, shifted{101, 102, 103, 96};
  EXPECT_LT(compare_rows(a, shifted).kl, 1e-12);
  EXPECT_TRUE(compare_rows(a, shifted).same_top);
  EXPECT_EQ(compare_rows(a, a).kl, 0);
  EXPECT_EQ(compare_rows(a, a).spread, 0);
}

TEST(Logits, ExcludedTokens) {
  const float never = -std::numeric_limits<float>::infinity();
  const std::vector<float> p{0, 0, never}, q{0, 0, 0};
  EXPECT_NEAR(compare_rows(p, q).kl, std::log(1.5), 1e-12);
  EXPECT_EQ(compare_rows(q, p).kl, kInfinity);
  const std::vector<float> broken{0, NAN, 0};
  EXPECT_TRUE(std::isnan(compare_rows(q, broken).kl));
  EXPECT_TRUE(std::isnan(compare_rows(broken, q).kl));
}

TEST(Logits, TopTokenAndSpread) {
  EXPECT_EQ(top_token(std::vector<float>{1, 5, 5, 2}), 1u);
  const std::vector<float> a{-1, 1}, b{-1, 0}, c{2, 1};
  EXPECT_TRUE(compare_rows(a, b).same_top);
  EXPECT_FALSE(compare_rows(a, c).same_top);
  // a has deviation 1, the largest difference to c is 3
  EXPECT_NEAR(compare_rows(a, c).spread, 3, 1e-12);
}

TEST(Logits, PerplexityOfGuessing) {
  EXPECT_NEAR(perplexity(10 * std::log(1.0 / 7), 10), 7, 1e-12);
  EXPECT_EQ(perplexity(0, 3), 1);
}

TEST(Summary, QuantilesAsNumpyHasThem) {
  const Summary s = summarize({4, 1, 3, 2});
  EXPECT_EQ(s.count, 4u);
  EXPECT_EQ(s.mean, 2.5);
  EXPECT_EQ(s.median, 2.5);
  EXPECT_NEAR(s.p99, 3.97, 1e-12);  // numpy.quantile([1, 2, 3, 4], 0.99)
  EXPECT_EQ(s.max, 4);
  EXPECT_EQ(summarize({}).count, 0u);
  EXPECT_EQ(summarize({5}).median, 5);
  EXPECT_EQ(summarize({1, kInfinity, kInfinity}).median, kInfinity);
}

TEST(Interval, StudentsTable) {
  EXPECT_NEAR(t_quantile_975(1), 12.7062047, 1e-6);
  EXPECT_NEAR(t_quantile_975(2), 4.30265273, 1e-7);
  EXPECT_NEAR(t_quantile_975(10), 2.22813885, 1e-7);
  EXPECT_NEAR(t_quantile_975(1e6), 1.95996636, 1e-7);
}

TEST(Interval, OfPairedDifferences) {
  // mean 3, s = sqrt(2.5), n = 5, t = 2.776445: half = 1.963243
  const Interval i = t_interval(std::vector<double>{1, 2, 3, 4, 5});
  EXPECT_EQ(i.mean, 3);
  EXPECT_NEAR(i.low, 3 - 1.9632432, 1e-6);
  EXPECT_NEAR(i.high, 3 + 1.9632432, 1e-6);
  EXPECT_EQ(t_interval(std::vector<double>{7}).low, -kInfinity);
  EXPECT_EQ(t_interval(std::vector<double>{7}).mean, 7);
}

TEST(Interval, OfGroups) {
  // Groups that say the same leave no doubt; groups of different length count by their length.
  const std::vector<Group> same{{2, 4}, {1, 2}, {5, 10}};
  EXPECT_EQ(grouped_interval(same).mean, 0.5);
  EXPECT_EQ(grouped_interval(same).low, 0.5);
  EXPECT_EQ(grouped_interval(same).high, 0.5);
  EXPECT_NEAR(grouped_interval(std::vector<Group>{{0, 1}, {3, 3}}).mean, 0.75, 1e-15);
  EXPECT_EQ(grouped_interval(std::vector<Group>{{1, 1}}).high, kInfinity);
}

TEST(Interval, OfGroupsIsThatOfStudentForManyGroups) {
  std::vector<Group> groups;
  std::vector<double> values;
  for (int i = 0; i < 400; ++i) {
    values.push_back(double((i * 7919) % 400) / 400);
    groups.push_back({values.back(), 1});
  }
  const Interval a = grouped_interval(groups), b = t_interval(values);
  EXPECT_NEAR(a.mean, b.mean, 1e-12);
  EXPECT_NEAR(a.low, b.low, 0.2 * (b.high - b.low));
  EXPECT_NEAR(a.high, b.high, 0.2 * (b.high - b.low));
  EXPECT_EQ(grouped_interval(groups, 5).low, grouped_interval(groups, 5).low);
  EXPECT_NE(grouped_interval(groups, 5).low, grouped_interval(groups, 6).low);
}

TEST(ErrorSum, InPieces) {
  ErrorSum e;
  EXPECT_EQ(e.relative(), 0);
  e.add(std::vector<float>{3}, std::vector<float>{3});
  e.add(std::vector<float>{4, 0}, std::vector<float>{4, 5});
  EXPECT_EQ(e.count(), 3u);
  EXPECT_NEAR(e.relative(), 1, 1e-12);                        // 5 / 5
  EXPECT_NEAR(e.angle_loss(), 1 - 1 / std::sqrt(2.0), 1e-12);  // 45 degrees
  ErrorSum nothing;
  nothing.add(std::vector<float>{0}, std::vector<float>{1});
  EXPECT_EQ(nothing.relative(), kInfinity);
  EXPECT_EQ(nothing.angle_loss(), 1);
}

}  // namespace
}  // namespace ocelli::metrics
