#include "gradient_trial.h"

#include <numeric>

#include "encoding/test_support.h"

namespace ocelli::gradient_test {

void Leaf::set(size_t i, float value) {
  values[i] = value;
  if (bytes.empty()) return;
  const auto size = size_t(encoding::row_bytes(encoding, 1));
  encoding::encode_row(encoding, &values[i], 1, &bytes[i * size]);
}

const std::byte* Leaf::stored() const {
  return bytes.empty() ? reinterpret_cast<const std::byte*>(values.data()) : bytes.data();
}

float Trial::draw(float spread, int steps) {
  std::uniform_int_distribution<int> pick(-int(spread * float(steps)), int(spread * float(steps)));
  return float(pick(random_)) / float(steps);
}

// A tensor of the shape over `values`: all of them, or a part from the middle.
Tensor Trial::input(std::initializer_list<int64_t> shape, float spread,
                    std::vector<float>& values) {
  const std::vector<int64_t> s(shape);
  const int64_t rows = s.size() == 1 ? 1 : s[0];
  const int64_t width = std::accumulate(s.begin() + (s.size() == 1 ? 0 : 1), s.end(), int64_t{1},
                                        std::multiplies<>());
  const int64_t above = options_.views ? 1 : 0, before = options_.views ? 3 : 0;
  const int64_t all_rows = rows + 2 * above, all_width = width + 2 * before;
  values.resize(size_t(all_rows * all_width));
  for (float& v : values) v = draw(spread, 1024);
  const Tensor whole = Tensor::view(values.data(), {all_rows, all_width});
  Tensor t = whole.slice(0, above, rows).slice(1, before, width);
  if (s.size() == 1) {
    t.rank = 1;
    t.shape = {width};
    t.stride = {1};
  }
  return s.size() == 3 ? t.split_last(s[2]) : t;
}

Tensor Trial::leaf(std::initializer_list<int64_t> shape, float spread) {
  Leaf& leaf = leaves_.emplace_back();
  Tensor t = input(shape, spread, leaf.values);
  leaf.grads.assign(leaf.values.size(), kGradStart);
  leaf.grad = {leaf.grads.data(), int64_t(leaf.grads.size())};
  if (wanted(leaves_.size() - 1)) {
    t.grad = &leaf.grad;
    t.grad_offset = t.f32() - leaf.values.data();
  }
  return t;
}

Tensor Trial::data(std::initializer_list<int64_t> shape, float spread) {
  return input(shape, spread, data_.emplace_back());
}

Weight Trial::frozen(int64_t rows, int64_t cols, Encoding encoding) {
  const int64_t row_bytes = encoding::row_bytes(encoding, cols);
  std::vector<std::byte>& bytes = bytes_.emplace_back(size_t(rows * row_bytes));
  std::vector<float> values(static_cast<size_t>(cols));
  for (int64_t r = 0; r < rows; ++r) {
    for (float& v : values) v = draw(1, 1024);
    encoding::store_row(encoding, values.data(), cols, &bytes[size_t(r * row_bytes)]);
  }
  return {encoding, encoding::Layout::kPlain, rows, cols, bytes.data(), nullptr};
}

Weight Trial::trainable(int64_t rows, int64_t cols, Encoding encoding) {
  Leaf& leaf = leaves_.emplace_back();
  leaf.values.resize(size_t(rows * cols));
  leaf.grads.assign(leaf.values.size(), kGradStart);
  leaf.encoding = encoding;
  if (encoding != Encoding::kF32)
    leaf.bytes.resize(size_t(rows * encoding::row_bytes(encoding, cols)));
  for (size_t i = 0; i < leaf.values.size(); ++i) leaf.set(i, draw(1, 16));
  float* grad = wanted(leaves_.size() - 1) ? leaf.grads.data() : nullptr;
  return {encoding, encoding::Layout::kPlain, rows, cols, leaf.stored(), grad};
}

}  // namespace ocelli::gradient_test
