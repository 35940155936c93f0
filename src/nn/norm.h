// Norm layers over the last dimension.
#pragma once

#include "nn/parameters.h"
#include "ops/norm.h"

namespace ocelli::nn {

struct RmsNorm {
  Tensor weight;  // [D]
  float eps = 1e-5f;
  Tensor operator()(Context& c, const Tensor& x) const { return ops::rms_norm(c, x, weight, eps); }
  operator ops::Norm() const { return {weight, {}, eps}; }  // for layers that take x through it
  void visit(ParameterVisitor& v, const std::string& name, int64_t width) {
    v.vector(name + ".weight", weight, {width});
  }
};

struct LayerNorm {
  Tensor weight, bias;  // [D]
  float eps = 1e-6f;
  Tensor operator()(Context& c, const Tensor& x) const {
    return ops::layer_norm(c, x, weight, bias, eps);
  }
  operator ops::Norm() const { return {weight, bias, eps}; }
  void visit(ParameterVisitor& v, const std::string& name, int64_t width) {
    v.vector(name + ".weight", weight, {width});
    v.vector(name + ".bias", bias, {width});
  }
};

}  // namespace ocelli::nn
