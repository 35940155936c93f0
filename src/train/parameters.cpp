#include "train/parameters.h"

#include <algorithm>
#include <cstring>
#include <set>

namespace ocelli::train {

using base::Code;
using base::Result;
using base::Status;
using encoding::Encoding;
using encoding::Weight;
using tensor::Tensor;

namespace {

constexpr int64_t kGrain = 1 << 16;  // numbers that a thread takes at once

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

std::string_view name(Part part) {
  return part == Part::kVision ? "vision" : part == Part::kConnector ? "connector" : "text";
}

Part part_of(std::string_view parameter) {
  if (has(parameter, "vision_model.") || has(parameter, "vision_tower.")) return Part::kVision;
  if (has(parameter, "connector.") || has(parameter, "multi_modal_projector.")) {
    return Part::kConnector;
  }
  return Part::kText;
}

// transformers: Trainer.get_decay_parameter_names
bool decays(std::string_view parameter) {
  std::string lower(parameter);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return char(c >= 'A' && c <= 'Z' ? c + 32 : c); });
  if (has(lower, "bias") || has(lower, "layernorm") || has(lower, "layer_norm") ||
      has(lower, "rmsnorm")) {
    return false;
  }
  return !has("." + lower + ".", ".norm.") && !has(lower + ".", "_norm.");
}

// Moves a model's parameters into a set. The first error is kept.
class TakeOver : public nn::ParameterVisitor {
 public:
  TakeOver(ParameterSet& set, base::ThreadPool& pool, const ParameterSet::Options& options)
      : set_(set), pool_(pool), options_(options) {}

  void matrix(const std::string& name, Weight& w, int64_t rows, int64_t cols) override {
    if (!wanted(name)) return;
    Parameter* p = add(name, {rows, cols});
    if (!p) return;
    const Weight from = w;
    pool_.parallel_for(
        rows,
        [&, value = p->value](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r)
            encoding::decode_row(from.encoding, from.row(r), 0, cols, value + r * cols);
        },
        16);
    w.encoding = options_.storage;
    w.layout = encoding::Layout::kPlain;
    w.grad = p->grad;
    w.data = reinterpret_cast<const std::byte*>(p->value);
    if (options_.storage == Encoding::kF32) return;
    std::byte* stored = take(encoding::bytes(w));
    if (!stored) return;
    w.data = stored;
    set_.stored_.push_back({set_.all_.size() - 1, rows, cols, stored});
  }

  void vector(const std::string& name, Tensor& t, std::initializer_list<int64_t> shape) override {
    if (!wanted(name)) return;
    Parameter* p = add(name, shape);
    if (!p) return;
    std::memcpy(p->value, t.f32(), size_t(p->count) * sizeof(float));
    set_.grads_.push_back(std::make_unique<tensor::Grad>(tensor::Grad{p->grad, p->count}));
    t = Tensor::view(p->value, shape);
    t.grad = set_.grads_.back().get();
  }

  Status finish() {
    if (error_) return *error_;
    set_.publish(pool_);
    return {};
  }

 private:
  bool wanted(const std::string& name) const {
    if (error_) return false;
    const Part part = part_of(name);
    return part == Part::kVision      ? options_.vision
           : part == Part::kConnector ? options_.connector
                                      : options_.text;
  }

  std::byte* take(int64_t bytes) {
    constexpr size_t kLine = 64;
    const size_t size = (size_t(bytes) + kLine) / kLine * kLine;
    set_.memory_.emplace_back(static_cast<std::byte*>(std::aligned_alloc(kLine, size)));
    std::byte* memory = set_.memory_.back().get();
    if (!memory) {
      error_ = base::fail(Code::kDoesNotFit,
                          "not enough memory for " + std::to_string(bytes >> 20) +
                              " MiB of parameters; train an adapter (--lora_r 16) instead of the "
                              "whole model");
      return nullptr;
    }
    std::memset(memory, 0, size);
    set_.bytes_ += int64_t(size);
    return memory;
  }

  Parameter* add(const std::string& name, std::initializer_list<int64_t> shape) {
    Parameter p;
    p.name = name;
    p.shape = shape;
    p.count = 1;
    for (const int64_t n : shape) p.count *= n;
    p.part = part_of(name);
    p.decay = decays(name);
    p.value = reinterpret_cast<float*>(take(p.count * int64_t(sizeof(float))));
    if (error_) return nullptr;
    p.grad = reinterpret_cast<float*>(take(p.count * int64_t(sizeof(float))));
    if (error_) return nullptr;
    set_.all_.push_back(std::move(p));
    return &set_.all_.back();
  }

  ParameterSet& set_;
  base::ThreadPool& pool_;
  const ParameterSet::Options& options_;
  std::optional<base::Error> error_;
};

Result<ParameterSet> ParameterSet::take_over(models::LoadedModel& loaded, base::ThreadPool& pool,
                                             const Options& options) {
  if (options.storage != Encoding::kF32 && options.storage != Encoding::kBF16) {
    return base::fail(Code::kUsage, "weights that train are stored as f32 or bf16, not as " +
                                        std::string(encoding::name(options.storage)));
  }
  ParameterSet set;
  TakeOver visitor(set, pool, options);
  loaded.model->visit(visitor);
  OCELLI_TRY(visitor.finish());
  // The file's pages were read once and are not needed again.
  for (const formats::TensorInfo& t : loaded.checkpoint.tensors()) {
    loaded.checkpoint.release(t.bytes);
  }
  return set;
}

Status ParameterSet::add(Parameter parameter) {
  const bool known = std::any_of(all_.begin(), all_.end(),
                                 [&](const Parameter& p) { return p.name == parameter.name; });
  if (known) {
    return base::fail(Code::kBadInput, "the parameter is named twice", parameter.name);
  }
  all_.push_back(std::move(parameter));
  return {};
}

int64_t ParameterSet::count() const {
  int64_t sum = 0;
  for (const Parameter& p : all_) sum += p.count;
  return sum;
}

int64_t ParameterSet::count(Part part) const {
  int64_t sum = 0;
  for (const Parameter& p : all_) sum += p.part == part ? p.count : 0;
  return sum;
}

void ParameterSet::clear_gradients(base::ThreadPool& pool) const {
  for (const Parameter& p : all_) {
    pool.parallel_for(
        p.count, [&](int64_t begin, int64_t end) { std::fill(p.grad + begin, p.grad + end, 0.0f); },
        kGrain);
  }
}

void ParameterSet::publish(base::ThreadPool& pool) const {
  for (const Stored& s : stored_) {
    const float* value = all_[s.parameter].value;
    const int64_t stride = encoding::row_bytes(Encoding::kBF16, s.cols);
    pool.parallel_for(
        s.rows,
        [&](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r) {
            encoding::encode_row(Encoding::kBF16, value + r * s.cols, s.cols, s.data + r * stride);
          }
        },
        16);
  }
}

}  // namespace ocelli::train
