// ParameterVisitor: the one description of a model's parameters. Each model has a visit() that
// names every parameter with its Hugging Face name and shape; loading, counting, saving, adapters
// and optimizers are visitors.
#pragma once

#include <string>

#include "nn/linear.h"

namespace ocelli::nn {

class ParameterVisitor {
 public:
  virtual ~ParameterVisitor() = default;

  // A matrix [rows, cols] stored as `name`; a convolution [rows, a, b, c] counts with cols = a * b
  // * c.
  virtual void matrix(const std::string& name, Weight& w, int64_t rows, int64_t cols) = 0;
  // A vector or small table kept in float32, [shape...].
  virtual void vector(const std::string& name, Tensor& t, std::initializer_list<int64_t> shape) = 0;
  // Called after the parameters of a Linear: `name` is the module's name without ".weight".
  virtual void module(const std::string& name, Linear& linear) {}

  void linear(const std::string& name, Linear& l, int64_t out, int64_t in, bool bias) {
    matrix(name + ".weight", l.w, out, in);
    if (bias) vector(name + ".bias", l.bias, {out});
    module(name, l);
  }
};

}  // namespace ocelli::nn
