// ParameterVisitor: the one description of a model's parameters. Each model has a visit() that
// names every parameter with its Hugging Face name and shape; loading, counting, saving, adapters
// and optimizers are visitors.
#pragma once

#include <string>

#include "nn/embedding.h"
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
  // The same for an embedding.
  virtual void embedding_module(const std::string& name, Embedding& embedding) {}
  // A Linear whose own matrix is empty while it uses that of the embedding module `of` (a tied
  // head). It may have adapters, and is given a matrix where the two come to differ.
  virtual void tied_module(const std::string& name, Linear& linear, const std::string& of) {}

  void linear(const std::string& name, Linear& l, int64_t out, int64_t in, bool bias) {
    matrix(name + ".weight", l.w, out, in);
    if (bias) vector(name + ".bias", l.bias, {out});
    module(name, l);
  }
  void embedding(const std::string& name, Embedding& e, int64_t rows, int64_t cols) {
    matrix(name + ".weight", e.w, rows, cols);
    embedding_module(name, e);
  }
  // A convolution that is computed as a product; adapters of Linear modules do not apply to it.
  void convolution(const std::string& name, Linear& l, int64_t out, int64_t in) {
    matrix(name + ".weight", l.w, out, in);
    vector(name + ".bias", l.bias, {out});
  }
};

}  // namespace ocelli::nn
