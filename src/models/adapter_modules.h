// The modules of a model by name, in all the spellings that adapters use; and the keys of
// adapter_model.safetensors taken apart.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/model.h"

namespace ocelli::models {

// A place for an adapter: a Linear or an embedding.
struct ModuleRef {
  std::string name;  // of the checkpoint, which is that of transformers 5
  nn::Linear* linear = nullptr;
  nn::Embedding* embedding = nullptr;
  int64_t out = 0, in = 0;           // of an embedding: V, D
  nn::Embedding* tied_to = nullptr;  // a Linear that has the matrix of this embedding

  bool head() const { return name == "lm_head" || name.ends_with(".lm_head"); }
  // The matrix it computes with (without replacements of the head's own, if it is tied).
  const nn::Weight& base() const {
    return embedding ? embedding->w : linear->w || !tied_to ? linear->w : tied_to->w;
  }
};

struct ParameterRef {
  std::string name;
  nn::Weight* weight = nullptr;  // a matrix [shape[0], shape[1]], or
  Tensor* vector = nullptr;
  std::vector<int64_t> shape;
  bool tied_head = false;  // of a head that has no matrix of its own
  nn::Embedding* tied_to = nullptr;

  int64_t count() const {
    int64_t n = 1;
    for (const int64_t d : shape) n *= d;
    return n;
  }
};

class ModelMap {
 public:
  explicit ModelMap(Model& model);

  const std::vector<ModuleRef>& modules() const { return modules_; }
  const std::vector<ParameterRef>& parameters() const { return parameters_; }
  // By the exact name, else by a spelling that means exactly one; -1 where nothing does.
  int module(std::string_view path) const { return find(module_paths_, path); }
  int parameter(std::string_view path) const { return find(parameter_paths_, path); }

 private:
  struct Paths {
    std::map<std::string, int, std::less<>> exact, loose;  // loose: -2 where several mean it
    void add(const std::string& name, int index);
  };
  class Collector;
  static int find(const Paths& paths, std::string_view path);

  std::vector<ModuleRef> modules_;
  std::vector<ParameterRef> parameters_;
  Paths module_paths_, parameter_paths_;
};

// A path without what spellings differ in: "language_model.model.layers.0", "model.text_model.
// layers.0" and "model.language_model.layers.0" are "text.layers.0".
std::string loose_path(std::string_view path);

enum class AdapterPart {
  kA,           // lora_A, [rank, in]
  kB,           // lora_B, [out, rank]
  kEmbeddingA,  // lora_embedding_A, [rank, V]
  kEmbeddingB,  // lora_embedding_B, [D, rank]
  kMagnitude,   // lora_magnitude_vector, [out]
  kBase,        // base_layer.weight of an embedding
  kWhole,       // a parameter of modules_to_save
};

struct AdapterKey {
  AdapterPart part;
  std::string path;  // of the module; of the parameter for kBase and kWhole
};

// Nothing where the key is of no form that PEFT has had.
std::optional<AdapterKey> parse_adapter_key(std::string_view key);

}  // namespace ocelli::models
