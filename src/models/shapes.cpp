#include "models/shapes.h"

#include <algorithm>

#include "models/registry.h"

namespace ocelli::models {

using base::Json;
using base::Result;
using encoding::Encoding;

namespace {

// Shapes first, then the numbers that all of them share.
class Shaper : public nn::ParameterVisitor {
 public:
  Shaper(LoadedModel& loaded, Encoding weights, std::byte* zeros)
      : loaded_(loaded), weights_(weights), zeros_(zeros) {}

  void matrix(const std::string&, nn::Weight& w, int64_t rows, int64_t cols) override {
    w = {weights_, encoding::Layout::kPlain, rows, cols, zeros_, nullptr};
    add(rows * cols, encoding::bytes(w));
  }
  void vector(const std::string&, Tensor& t, std::initializer_list<int64_t> shape) override {
    int64_t count = 1;
    for (const int64_t n : shape) count *= n;
    t = Tensor::view(reinterpret_cast<float*>(zeros_), shape);
    add(count, count * int64_t(sizeof(float)));
  }
  int64_t largest() const { return largest_; }

 private:
  void add(int64_t numbers, int64_t bytes) {
    loaded_.parameters += numbers;
    loaded_.storage_bytes += bytes;
    largest_ = std::max(largest_, bytes);
  }
  LoadedModel& loaded_;
  Encoding weights_;
  std::byte* zeros_;
  int64_t largest_ = 0;
};

}  // namespace

Result<LoadedModel> shape_model(const Json& config, Encoding weights) {
  OCELLI_ASSIGN(const Family* family, find_family(config));
  LoadedModel loaded;
  OCELLI_ASSIGN(loaded.model, family->make(config, loaded.checkpoint));
  LoadedModel measured;
  Shaper measure(measured, weights, nullptr);
  loaded.model->visit(measure);
  // Pages that calloc() takes from the system are given out when they are written.
  Buffer zeros(static_cast<std::byte*>(std::calloc(size_t(measure.largest()), 1)));
  if (!zeros) {
    return base::fail(base::Code::kDoesNotFit, "not enough memory for a parameter of " +
                                                   std::to_string(measure.largest() >> 20) +
                                                   " MiB; choose a smaller model");
  }
  Shaper place(loaded, weights, zeros.get());
  loaded.model->visit(place);
  loaded.storage.push_back(std::move(zeros));
  return loaded;
}

Encoding published_encoding(const Json& config) {
  for (const Json* at : {&config, config.find("text_config")}) {
    for (const char* key : {"dtype", "torch_dtype"}) {
      const Json* name = at ? at->find(key) : nullptr;
      if (!name || !name->is_string()) continue;
      if (name->as_string() == "float32") return Encoding::kF32;
      if (name->as_string() == "float16") return Encoding::kF16;
      if (name->as_string() == "bfloat16") return Encoding::kBF16;
    }
  }
  return Encoding::kBF16;
}

}  // namespace ocelli::models
