#include "parity_gradient.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "ops/cross_entropy.h"
#include "ops/rows.h"

namespace ocelli::parity {

using base::Json;
using tensor::Context;
using tensor::Tensor;

void Gradients::matrix(const std::string& name, encoding::Weight& w, int64_t rows, int64_t cols) {
  std::vector<float>& numbers = all_[name];
  numbers.assign(size_t(rows * cols), 0);
  w.grad = numbers.data();
}

void Gradients::vector(const std::string& name, Tensor& t, std::initializer_list<int64_t>) {
  std::vector<float>& numbers = all_[name];
  numbers.assign(size_t(t.count()), 0);
  vectors_[name] = {numbers.data(), t.count()};
  t.grad = &vectors_[name];
}

void Gradients::clear() {
  for (auto& [name, numbers] : all_) std::fill(numbers.begin(), numbers.end(), 0.0f);
}

namespace {

Json read_json(const std::string& path) {
  return Json::parse(base::read_file(path, 1 << 20).value()).value();
}

void add_sample(const Json& sample, int64_t image_id, GradientBatch& batch) {
  const auto& ids = sample.find("ids")->items();
  const auto& trained = sample.find("trained")->items();
  const auto begin = int32_t(batch.ids.size());
  for (size_t t = 0; t < ids.size(); ++t) {
    const int64_t id = ids[t].as_int();
    if (id == image_id) batch.places.push_back(begin + int32_t(t));
    if (t > 0 && trained[t].as_int()) {
      batch.rows.push_back(begin + int32_t(t) - 1);
      batch.targets.push_back(int32_t(id));
    }
    batch.ids.push_back(int32_t(id));
  }
  batch.lengths.push_back(int64_t(ids.size()));
  batch.tiles += sample.get_int("tiles").value();
}

std::vector<float> numbers(const formats::TensorInfo& t) {
  int64_t count = 1;
  for (const int64_t n : t.shape) count *= n;
  std::vector<float> out(static_cast<size_t>(count));
  encoding::decode_row(*t.encoding, t.bytes.data(), 0, count, out.data());
  return out;
}

}  // namespace

std::map<std::string, std::vector<float>> gradients_of(const formats::SafetensorsFile& file,
                                                       const std::string& prefix) {
  std::map<std::string, std::vector<float>> out;
  for (const formats::TensorInfo& t : file.tensors()) {
    if (t.name.starts_with(prefix)) out[t.name.substr(prefix.size())] = numbers(t);
  }
  return out;
}

GradientFixture::GradientFixture(const std::string& name)
    : folder_(std::string(OCELLI_FIXTURES) + "/gradients/" + name),
      json_(read_json(folder_ + "/expected.json")),
      tensors_(formats::SafetensorsFile::open(folder_ + "/expected.safetensors").value()) {
  const Json config = read_json(folder_ + "/config.json");
  const int64_t image_id = config.get_int("image_token_id", {-1, 1 << 20}, -1).value();
  for (const Json& sample : json_.find("samples")->items()) add_sample(sample, image_id, batch_);
  if (const formats::TensorInfo* pixels = tensors_.find("pixels")) batch_.pixels = numbers(*pixels);
}

models::LoadedModel GradientFixture::load(base::ThreadPool& pool,
                                          encoding::Encoding weights) const {
  models::LoadOptions options;
  options.weights = weights;
  return models::load_model(read_json(folder_ + "/config.json"),
                            formats::Checkpoint::open(folder_).value(), pool, options)
      .value();
}

namespace {

// Words and pictures, as hidden states after the last norm. What is local here is gone when the
// gradient comes.
Tensor hidden_states(Context& c, const models::Model& model, const GradientBatch& batch,
                     bool frozen_tower) {
  const std::vector<int32_t> ids = batch.ids, places = batch.places;
  Tensor x = model.embed(c, ids);
  if (batch.tiles > 0) {
    const int64_t side = model.info().vision->tile;
    const Tensor pixels = c.output({batch.tiles, 3, side, side}, {});
    std::copy(batch.pixels.begin(), batch.pixels.end(), pixels.f32());
    Context apart{c.backend, c.arena, c.pool, nullptr, {}, true};
    const Tensor features = model.encode_tower(frozen_tower ? apart : c, pixels);
    x = ops::place_rows(c, x, model.connect(c, features), places);
  }
  const nn::Sequence sequence = nn::Sequence::packed(batch.lengths);
  return model.forward(c, x, sequence);
}

}  // namespace

double GradientRun::run(const models::Model& model, const GradientBatch& batch) {
  tensor::Arena arena = tensor::Arena::create().value();
  tensor::Tape tape;
  Context c{backend, arena, pool, &tape, {}, true};
  c.recompute = recompute;
  const Tensor hidden = hidden_states(c, model, batch, frozen_tower);
  const Tensor logits = model.logits(c, ops::gather_rows(c, hidden, batch.rows));
  const Tensor loss = ops::cross_entropy(c, logits, batch.targets);
  *tensor::grad_of(c, loss) = 1;
  tensor::run_backward(c);
  peak = arena.peak();
  return loss.f32()[0];
}

namespace {

double largest(const std::vector<float>& numbers) {
  double most = 0;
  for (const float x : numbers) most = std::max(most, std::abs(double(x)));
  return most;
}

}  // namespace

double scale_of(const std::string& name,
                const std::map<std::string, std::vector<float>>& gradients) {
  const double most = largest(gradients.at(name));
  const size_t dot = name.rfind(".bias");
  if (dot == std::string::npos || dot + 5 != name.size()) return most;
  const auto matrix = gradients.find(name.substr(0, dot) + ".weight");
  return matrix == gradients.end() ? most : std::max(most, largest(matrix->second));
}

WorstGradient worst_gradient(const std::map<std::string, std::vector<float>>& got,
                             const std::map<std::string, std::vector<float>>& wanted) {
  WorstGradient worst;
  for (const auto& [name, numbers] : wanted) {
    const auto ours = got.find(name);
    if (ours == got.end() || ours->second.size() != numbers.size()) return {INFINITY, name};
    const double scale = scale_of(name, wanted);
    for (size_t i = 0; i < numbers.size(); ++i) {
      const double error = std::abs(double(ours->second[i]) - double(numbers[i])) / scale;
      if (!std::isfinite(error)) return {INFINITY, name};
      if (error > worst.error) worst = {error, name};
    }
  }
  return worst;
}

}  // namespace ocelli::parity
