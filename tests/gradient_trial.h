// One op under test: its leaves (inputs that have a gradient) and its data, drawn from a seed.
#pragma once

#include <deque>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "encoding/weight.h"
#include "tensor/backend.h"
#include "tensor/context.h"

namespace ocelli::gradient_test {

using encoding::Encoding;
using encoding::Weight;
using tensor::Context;
using tensor::Tensor;

// Numbers that a gradient is asked for. A test moves number `i` by a step with set().
struct Leaf {
  std::vector<float> values, grads;
  std::vector<std::byte> bytes;  // of a weight: `values` stored as bf16, if it is one
  tensor::Grad grad;
  Encoding encoding = Encoding::kF32;

  void set(size_t i, float value);
  const std::byte* stored() const;
};

// What a gradient starts with, to show that the backward pass adds to it.
inline constexpr float kGradStart = 1;

class Trial {
 public:
  struct Options {
    bool views = false;  // inputs are slices of larger tensors
    int only = -1;       // the one leaf with a gradient; -1: all
  };

  explicit Trial(const Options& options) : options_(options), random_(20) {}

  // An input with a gradient, of rank 1 to 3. Numbers are multiples of 2^-10 in [-spread, spread].
  Tensor leaf(std::initializer_list<int64_t> shape, float spread = 1);
  // The same without a gradient.
  Tensor data(std::initializer_list<int64_t> shape, float spread = 1);
  // A frozen matrix in any encoding, and a trainable one (f32 or bf16: multiples of 2^-4).
  Weight frozen(int64_t rows, int64_t cols, Encoding encoding);
  Weight trainable(int64_t rows, int64_t cols, Encoding encoding);

  std::deque<Leaf>& leaves() { return leaves_; }
  std::mt19937& random() { return random_; }

 private:
  float draw(float spread, int steps);
  Tensor input(std::initializer_list<int64_t> shape, float spread, std::vector<float>& values);
  bool wanted(size_t leaf) const { return options_.only < 0 || size_t(options_.only) == leaf; }

  Options options_;
  std::mt19937 random_;
  std::deque<Leaf> leaves_;  // addresses stay
  std::deque<std::vector<float>> data_;
  std::deque<std::vector<std::byte>> bytes_;
};

using Forward = std::function<Tensor(Context&)>;

// Makes the inputs and returns the op over them. Called several times with the same numbers.
struct Case {
  std::string op, variant;
  std::function<Forward(Trial&)> make;
};

// One for every op and branch, in gradient_cases.cpp.
const std::vector<Case>& cases();

}  // namespace ocelli::gradient_test
