// Many numbers in few: quantiles, means with intervals, errors relative to a reference.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ocelli::metrics {

struct Summary {
  size_t count = 0;
  double mean = 0, median = 0, p99 = 0, max = 0;
};
// Of no numbers: all 0.
Summary summarize(std::vector<double> values);

// Between the two order statistics around q (n - 1), linearly, as numpy does. `sorted` ascending,
// not empty; q from 0 to 1.
double quantile(std::span<const double> sorted, double q);

// A mean, and where 95 of 100 such intervals hold the true one.
struct Interval {
  double mean = 0, low = 0, high = 0;
  size_t count = 0;  // of numbers, or of groups
};

// Of independent numbers, e.g. paired differences: mean +- t(0.975, n - 1) s / sqrt(n). With fewer
// than two numbers the interval is infinite.
Interval t_interval(std::span<const double> values);

// Numbers that belong together, such as the tokens of one text, which are not independent.
struct Group {
  double sum = 0;
  double weight = 0;  // how many numbers
};
inline constexpr int kResamples = 2000;
// The mean of all numbers; its interval by drawing whole groups with replacement, the 2.5 and 97.5
// percent quantiles of kResamples means. The same groups and seed give the same interval. With
// fewer than two groups it is infinite.
Interval grouped_interval(std::span<const Group> groups, uint64_t seed = 0);

// The 0.975 quantile of Student's t distribution. Requires freedom >= 1.
double t_quantile_975(double freedom);

// How far numbers are from those of a reference, added up piece by piece.
class ErrorSum {
 public:
  // Requires the same length.
  void add(std::span<const float> reference, std::span<const float> other);

  // |other - reference| / |reference| in Euclidean norms; 0 where both are 0.
  double relative() const;
  // 1 - the cosine of the angle between the two; 0 where both are 0.
  double angle_loss() const;
  size_t count() const { return count_; }

 private:
  double error_ = 0, reference_ = 0, other_ = 0, product_ = 0;
  size_t count_ = 0;
};

}  // namespace ocelli::metrics
