// A tiny checkpoint of tests/fixtures/gradients with the samples, the loss and the gradients that
// transformers computed. tools/reference/README.md describes the files.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "formats/safetensors.h"
#include "models/loader.h"
#include "tensor/backend.h"

namespace ocelli::parity {

// All samples side by side.
struct GradientBatch {
  std::vector<int32_t> ids;
  std::vector<int64_t> lengths;
  std::vector<int32_t> rows, targets;  // of tokens that say a trained one, and which
  std::vector<int32_t> places;         // where pictures' embeddings go
  std::vector<float> pixels;           // [tiles, 3, side, side]
  int64_t tiles = 0;
};

// Gradients by the name of their parameter.
class Gradients : public nn::ParameterVisitor {
 public:
  void matrix(const std::string& name, encoding::Weight& w, int64_t rows, int64_t cols) override;
  void vector(const std::string& name, tensor::Tensor& t,
              std::initializer_list<int64_t> shape) override;
  void clear();
  const std::map<std::string, std::vector<float>>& all() const { return all_; }

 private:
  std::map<std::string, std::vector<float>> all_;
  std::map<std::string, tensor::Grad> vectors_;
};

// Tensors "<prefix><parameter>" of a file, as float32, by the parameter.
std::map<std::string, std::vector<float>> gradients_of(const formats::SafetensorsFile& file,
                                                       const std::string& prefix);

class GradientFixture {
 public:
  explicit GradientFixture(const std::string& name);

  double loss() const { return json_.get_double("loss").value(); }
  // The largest error of the reference's own gradients, as a part of scale().
  double own_error() const { return json_.get_double("own_error").value(); }
  const GradientBatch& batch() const { return batch_; }
  std::map<std::string, std::vector<float>> gradients() const {
    return gradients_of(tensors_, "gradient.");
  }
  models::LoadedModel load(base::ThreadPool& pool, encoding::Encoding weights) const;

 private:
  std::string folder_;
  base::Json json_;
  formats::SafetensorsFile tensors_;
  GradientBatch batch_;
};

// What a pass over a batch needs besides the model.
struct GradientRun {
  tensor::Backend& backend;
  base::ThreadPool& pool;
  bool recompute = false;
  bool frozen_tower = false;  // what it sees is computed apart, as if kept on disk
  int64_t peak = 0;           // of the arena, bytes; set by run()

  // Forward and backward: adds the gradients of the mean loss of all trained tokens, which it
  // returns, to whatever has one.
  double run(const models::Model& model, const GradientBatch& batch);
};

// What an error of a gradient is measured by: its largest number. A bias may cancel (that of keys
// is zero but for rounding), so that the gradient of its own matrix, a sum of the same terms times
// inputs of size one, counts too.
double scale_of(const std::string& name,
                const std::map<std::string, std::vector<float>>& gradients);

// The largest difference of any number of two gradients, as a part of its scale.
struct WorstGradient {
  double error = 0;
  std::string name;
};
WorstGradient worst_gradient(const std::map<std::string, std::vector<float>>& got,
                             const std::map<std::string, std::vector<float>>& wanted);

}  // namespace ocelli::parity
