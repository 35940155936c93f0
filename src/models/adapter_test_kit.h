// A small model without a file, for tests of adapters. Every number is a formula of its place.
#pragma once

#include <vector>

#include "models/loader.h"
#include "models/registry.h"

namespace ocelli::models::adapter_test {

// Hidden 16, middle 24, vocabulary 20, two layers, tied unless told otherwise.
inline base::Json small_config(bool tied = true) {
  return base::Json::object({{"model_type", "llama"},
                             {"hidden_size", 16},
                             {"intermediate_size", 24},
                             {"num_hidden_layers", 2},
                             {"num_attention_heads", 2},
                             {"num_key_value_heads", 1},
                             {"vocab_size", 20},
                             {"tie_word_embeddings", tied}});
}

class SmallModel : nn::ParameterVisitor {
 public:
  explicit SmallModel(const base::Json& config = small_config()) {
    loaded.model = find_family(config).value()->make(config, formats::Checkpoint()).value();
    loaded.model->visit(*this);
  }
  LoadedModel loaded;

 private:
  float* numbers(int64_t count) {
    std::vector<float>& out = memory_.emplace_back(size_t(count));
    for (float& x : out) x = float(int(next_ = next_ * 75 % 65537) % 200 - 100) / 256;
    return out.data();
  }
  void matrix(const std::string&, nn::Weight& w, int64_t rows, int64_t cols) override {
    w = {encoding::Encoding::kF32,
         encoding::Layout::kPlain,
         rows,
         cols,
         reinterpret_cast<const std::byte*>(numbers(rows * cols)),
         nullptr};
  }
  void vector(const std::string&, Tensor& t, std::initializer_list<int64_t> shape) override {
    int64_t count = 1;
    for (const int64_t n : shape) count *= n;
    t = Tensor::view(numbers(count), shape);
  }
  std::vector<std::vector<float>> memory_;
  int64_t next_ = 1;
};

}  // namespace ocelli::models::adapter_test
