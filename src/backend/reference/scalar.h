// Activation functions of one number, in float64.
#pragma once

#include <cmath>

#include "tensor/backend.h"

namespace ocelli::reference {

using tensor::Activation;

inline constexpr double kGeluInner = 0.7978845608028654;  // sqrt(2 / pi)
inline constexpr double kGeluCubic = 0.044715;

inline double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}
inline double silu(double x) {
  return x * sigmoid(x);
}
inline double silu_slope(double x) {
  const double s = sigmoid(x);
  return s * (1 + x * (1 - s));
}

// 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
inline double gelu_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(kGeluInner * (x + kGeluCubic * x * x * x)));
}
inline double gelu_tanh_slope(double x) {
  const double t = std::tanh(kGeluInner * (x + kGeluCubic * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * kGeluInner * (1 + 3 * kGeluCubic * x * x);
}

inline double activate(Activation f, double x) {
  switch (f) {
    case Activation::kNone:
      return x;
    case Activation::kGeluTanh:
      return gelu_tanh(x);
    case Activation::kSilu:
      return silu(x);
  }
  return x;
}

inline double activation_slope(Activation f, double x) {
  switch (f) {
    case Activation::kNone:
      return 1;
    case Activation::kGeluTanh:
      return gelu_tanh_slope(x);
    case Activation::kSilu:
      return silu_slope(x);
  }
  return 1;
}

}  // namespace ocelli::reference
