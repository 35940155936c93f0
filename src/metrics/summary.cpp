#include "metrics/summary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "base/rng.h"

namespace ocelli::metrics {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The regularized incomplete beta function I_x(a, b) by its continued fraction, evaluated with
// Lentz's method (Numerical Recipes 6.4); for x < (a + 1) / (a + b + 2).
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  constexpr int kMostSteps = 400;
  const auto apart = [](double d) { return std::abs(d) < kTiny ? kTiny : d; };
  double c = 1, d = 1 / apart(1 - (a + b) * x / (a + 1)), h = d;
  for (int m = 1; m <= kMostSteps; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / apart(1 + even * d);
    c = apart(1 + even / c);
    h *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / apart(1 + odd * d);
    c = apart(1 + odd / c);
    const double step = d * c;
    h *= step;
    if (std::abs(step - 1) < 1e-15) break;
  }
  return h * std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) +
                      b * std::log1p(-x)) /
         a;
}

// P(T > t) of Student's distribution, t > 0.
double t_tail(double t, double freedom) {
  const double a = freedom / 2, b = 0.5, x = freedom / (freedom + t * t);
  const bool direct = x < (a + 1) / (a + b + 2);
  return (direct ? beta_fraction(a, b, x) : 1 - beta_fraction(b, a, 1 - x)) / 2;
}

}  // namespace

double quantile(std::span<const double> sorted, double q) {
  OCELLI_CHECK(!sorted.empty() && q >= 0 && q <= 1, "numbers, and a share of them");
  const double at = q * double(sorted.size() - 1);
  const auto below = size_t(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  if (sorted[below] == sorted[above]) return sorted[below];  // infinities
  return sorted[below] + (at - double(below)) * (sorted[above] - sorted[below]);
}

Summary summarize(std::vector<double> values) {
  Summary out;
  out.count = values.size();
  if (values.empty()) return out;
  out.mean = std::accumulate(values.begin(), values.end(), 0.0) / double(values.size());
  std::sort(values.begin(), values.end());
  out.median = quantile(values, 0.5);
  out.p99 = quantile(values, 0.99);
  out.max = values.back();
  return out;
}

double t_quantile_975(double freedom) {
  OCELLI_CHECK(freedom >= 1, "a degree of freedom");
  double low = 1.9, high = 13;  // between the normal distribution's and that of one degree
  while (high - low > 1e-12 * high) {
    const double middle = (low + high) / 2;
    (t_tail(middle, freedom) > 0.025 ? low : high) = middle;
  }
  return (low + high) / 2;
}

Interval t_interval(std::span<const double> values) {
  Interval out{0, -kInfinity, kInfinity, values.size()};
  const double n = double(values.size());
  if (values.empty()) return out;
  out.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  if (values.size() < 2) return out;
  double squares = 0;
  for (const double v : values) squares += (v - out.mean) * (v - out.mean);
  const double half = t_quantile_975(n - 1) * std::sqrt(squares / (n - 1) / n);
  out.low = out.mean - half;
  out.high = out.mean + half;
  return out;
}

Interval grouped_interval(std::span<const Group> groups, uint64_t seed) {
  Interval out{0, -kInfinity, kInfinity, groups.size()};
  Group all;
  for (const Group& g : groups) {
    all.sum += g.sum;
    all.weight += g.weight;
  }
  if (!(all.weight > 0)) return out;
  out.mean = all.sum / all.weight;
  if (groups.size() < 2) return out;
  base::Rng rng(seed);
  std::vector<double> means;
  for (int i = 0; i < kResamples; ++i) {
    Group drawn;
    for (size_t k = 0; k < groups.size(); ++k) {
      const Group& g = groups[size_t(rng.next_uniform_double() * double(groups.size()))];
      drawn.sum += g.sum;
      drawn.weight += g.weight;
    }
    if (drawn.weight > 0) means.push_back(drawn.sum / drawn.weight);
  }
  std::sort(means.begin(), means.end());
  if (means.empty()) return out;
  out.low = quantile(means, 0.025);
  out.high = quantile(means, 0.975);
  return out;
}

void ErrorSum::add(std::span<const float> reference, std::span<const float> other) {
  OCELLI_CHECK(reference.size() == other.size(), "as many numbers on both sides");
  for (size_t i = 0; i < reference.size(); ++i) {
    const double a = reference[i], b = other[i];
    error_ += (b - a) * (b - a);
    reference_ += a * a;
    other_ += b * b;
    product_ += a * b;
  }
  count_ += reference.size();
}

double ErrorSum::relative() const {
  if (error_ == 0) return 0;
  return reference_ > 0 ? std::sqrt(error_ / reference_) : kInfinity;
}

double ErrorSum::angle_loss() const {
  if (error_ == 0) return 0;
  const double norms = std::sqrt(reference_) * std::sqrt(other_);
  return norms > 0 ? std::max(0.0, 1 - product_ / norms) : 1;
}

}  // namespace ocelli::metrics
