// What an Adapter is made of. Included by adapter*.cpp alone.
#pragma once

#include "models/adapter.h"
#include "models/adapter_modules.h"

namespace ocelli::models {

// A low-rank change of one module.
struct AdaptedModule {
  ModuleRef at;
  nn::Lora lora;                // points to the numbers of the adapter
  tensor::Grad magnitude_grad;  // what lora.magnitude.grad points to, if it trains
};

// A parameter with other numbers.
struct ReplacedParameter {
  ParameterRef at;
  nn::Weight own_weight, base_weight;
  Tensor own_vector, base_vector;
  tensor::Grad grad;  // of a vector
};

struct Adapter::State {
  State(const AdapterConfig& c, LoadedModel& model) : config(c), loaded(model) {}

  AdapterConfig config;
  LoadedModel& loaded;
  std::string folder;
  std::vector<std::string> warnings;
  std::vector<std::unique_ptr<AdaptedModule>> modules;
  std::vector<std::unique_ptr<ReplacedParameter>> replaced;
  std::vector<AdapterTensor> tensors;
  std::vector<Buffer> memory;
  int64_t parameters = 0;
  bool attached = false;
  float weight = 1;

  // Memory for `count` numbers, cleared; kDoesNotFit beyond kMaxAdapterNumbers in all.
  base::Result<float*> take(int64_t count);
  // The same as a named tensor, with a gradient if `trainable`.
  base::Result<AdapterTensor> add(std::string name, std::vector<int64_t> shape, bool trainable);
  // A module with its factors (and magnitude), all zero.
  base::Result<AdaptedModule*> add_module(const ModuleRef& at, int64_t rank, double alpha,
                                          uint32_t op, bool trainable);
  base::Result<ReplacedParameter*> add_replaced(const ParameterRef& at, bool trainable);
  void refresh(base::ThreadPool& pool) const;
};

inline constexpr char kKeyPrefix[] = "base_model.model.";

// The numbers of a parameter as the model has them, float32.
void copy_numbers(const ParameterRef& from, float* out);

}  // namespace ocelli::models
