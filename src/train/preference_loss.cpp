// The losses of preference pairs, as TRL has them.
#include <algorithm>
#include <cmath>

#include "train/preference.h"

namespace ocelli::train {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
// log sigmoid(x), without overflow.
double log_sigmoid(double x) { return std::min(x, 0.0) - std::log1p(std::exp(-std::fabs(x))); }
// Its derivative is sigmoid(-x); that of sigmoid is sigmoid(x) sigmoid(-x).
double slope(double x) { return sigmoid(x) * sigmoid(-x); }

}  // namespace

PairLoss pair_loss(const PreferenceOptions& o, double a, double b) {
  const double beta = o.beta, e = o.label_smoothing, x = beta * (a - b);
  const auto of_difference = [&](double loss, double dx) {
    return PairLoss{loss, beta * dx, -beta * dx};
  };
  if (o.loss_type == "sigmoid") {
    return of_difference(-(1 - e) * log_sigmoid(x) - e * log_sigmoid(-x),
                         -(1 - e) * sigmoid(-x) + e * sigmoid(x));
  }
  if (o.loss_type == "robust") {
    return of_difference((-(1 - e) * log_sigmoid(x) + e * log_sigmoid(-x)) / (1 - 2 * e),
                         (-(1 - e) * sigmoid(-x) - e * sigmoid(x)) / (1 - 2 * e));
  }
  if (o.loss_type == "hinge") return of_difference(std::max(0.0, 1 - x), x < 1 ? -1 : 0);
  if (o.loss_type == "ipo") {
    const double d = a - b - 1 / (2 * beta);
    return {d * d, 2 * d, -2 * d};
  }
  if (o.loss_type == "apo_zero") {
    return {1 - sigmoid(beta * a) + sigmoid(beta * b), -beta * slope(beta * a),
            beta * slope(beta * b)};
  }
  if (o.loss_type == "apo_down") {
    return {sigmoid(beta * a) + 1 - sigmoid(x), beta * slope(beta * a) - beta * slope(x),
            beta * slope(x)};
  }
  if (o.loss_type == "sppo_hard") {
    const double da = a - 0.5 / beta, db = b + 0.5 / beta;
    return {da * da + db * db, 2 * da, 2 * db};
  }
  // nca_pair
  const double u = beta * a, v = beta * b;
  return {-log_sigmoid(u) - 0.5 * log_sigmoid(-u) - 0.5 * log_sigmoid(-v),
          beta * (-sigmoid(-u) + 0.5 * sigmoid(u)), beta * 0.5 * sigmoid(v)};
}

}  // namespace ocelli::train
