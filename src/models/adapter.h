// Adapter: low-rank changes of a loaded model, as PEFT keeps them in a folder: adapter_config.json
// and adapter_model.safetensors. Made new for training, or read; attached to the model and taken
// off again without loading anything anew; saved.
//
//   OCELLI_ASSIGN(auto adapter, Adapter::open("my-adapter", loaded, pool));
//   OCELLI_TRY(adapter->attach());
//   ...
//   adapter->detach();
//
// The adapter owns its numbers, float32, and refers to the model, which must outlive it and stay
// where it is. Nothing here may run while the model computes.
#pragma once

#include <map>
#include <memory>
#include <span>

#include "base/hash.h"
#include "base/thread_pool.h"
#include "models/adapter_config.h"
#include "models/loader.h"
#include "models/save.h"

namespace ocelli::models {

inline constexpr char kAdapterConfigFile[] = "adapter_config.json";
inline constexpr char kAdapterWeightsFile[] = "adapter_model.safetensors";
inline constexpr int64_t kMaxAdapterNumbers = int64_t{1} << 32;
inline constexpr float kMaxAdapterWeight = 1000;

// Numbers of an adapter that train.
struct AdapterTensor {
  std::string name;  // PEFT's key: "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
  std::vector<int64_t> shape;  // of `value`
  float* value = nullptr;
  float* grad = nullptr;  // null unless the adapter is trainable; added to by backward passes
  int64_t count = 0;
  bool turned = false;  // the file holds the transpose (lora_embedding_A)
};

// Whether a module or parameter has a part in what pictures become (the tower, the connector).
bool sees_pictures(std::string_view name);

class Adapter {
 public:
  struct OpenOptions {
    bool force = false;      // also one that says it was made for other weights
    bool trainable = false;  // with gradients
  };

  // A new one: a drawn from `seed` (each module's numbers are its own), b zero, so that the model
  // computes what it did; trainable. An error where the config targets no module.
  static base::Result<std::unique_ptr<Adapter>> create(const AdapterConfig& config,
                                                       LoadedModel& loaded, base::ThreadPool& pool,
                                                       uint64_t seed);

  // A folder that PEFT or save() wrote, or one that holds a single named adapter's folder. Keys are
  // understood in all spellings that versions of transformers and PEFT have used; one that matches
  // nothing in the model is an error that lists it, and so are shapes that do not fit, numbers that
  // are not finite, and a module of which a part is missing.
  static base::Result<std::unique_ptr<Adapter>> open(const std::string& folder, LoadedModel& loaded,
                                                     base::ThreadPool& pool,
                                                     const OpenOptions& options);
  static base::Result<std::unique_ptr<Adapter>> open(const std::string& folder, LoadedModel& loaded,
                                                     base::ThreadPool& pool) {
    return open(folder, loaded, pool, OpenOptions());
  }
  // The same from the text of adapter_config.json and a file that is open or in memory.
  static base::Result<std::unique_ptr<Adapter>> parse(std::string_view config,
                                                      const formats::SafetensorsFile& file,
                                                      LoadedModel& loaded, base::ThreadPool& pool,
                                                      const OpenOptions& options);
  ~Adapter();
  Adapter(const Adapter&) = delete;
  Adapter& operator=(const Adapter&) = delete;

  const AdapterConfig& config() const;
  const std::string& folder() const;  // that it was read from, or ""
  std::span<const AdapterTensor> tensors() const;
  int64_t parameters() const;  // numbers in all
  const std::vector<std::string>& warnings() const;

  // From now on the model computes with the adapter, behind those attached before. `weight`: how
  // much of its change; only 1 is possible where whole modules are replaced (modules_to_save), and
  // only one adapter may replace a module.
  base::Status attach(float weight = 1);
  void detach();
  bool attached() const;
  float weight() const;

  // After the numbers of a DoRA have changed: computes the norms anew. Nothing to do for others.
  void refresh(base::ThreadPool& pool);

  // Names what the tower and the connector compute with it, apart from its weight; nothing where it
  // leaves both alone.
  std::optional<base::Digest256> picture_identity() const;

  // Writes a PEFT folder (see AtomicFolder), replacing an older one. Keys are those of transformers
  // 5; the weights are named in the metadata, so that open() can tell another base model.
  base::Status save(const std::string& folder) const;

  // What the parameters become with the adapter, for save_model(); behind what `options` has
  // already from others. `loaded` must be without adapters meanwhile.
  base::Status add_edits(float weight, SaveOptions& options) const;

  struct State;  // adapter_state.h

 private:
  explicit Adapter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// What Adapter::create() would train, from config.json alone; `weights` may fill what it leaves out
// (a checkpoint of no tensors does not).
base::Result<int64_t> count_adapter_parameters(const base::Json& config_json,
                                               const AdapterConfig& config,
                                               const formats::Checkpoint& weights);
base::Result<int64_t> count_adapter_parameters(const base::Json& config_json,
                                               const AdapterConfig& config);

}  // namespace ocelli::models
