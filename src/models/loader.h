// From a Hugging Face folder to a model whose parameters are in place.
#pragma once

#include <cstdlib>
#include <optional>

#include "base/progress.h"
#include "base/thread_pool.h"
#include "formats/checkpoint.h"
#include "models/model.h"
#include "tensor/backend.h"

namespace ocelli::models {

struct LoadOptions {
  // Store matrices in this encoding instead of the file's (costs memory and a pass over the
  // weights).
  std::optional<encoding::Encoding> weights;
  // Bring matrices into this backend's own layout where it has one for their encoding. For models
  // that are only run, adapters included: training, merging and saving read plain rows.
  const tensor::Backend* pack_for = nullptr;
  base::Progress* progress = nullptr;
  // Convert and pack the pictures' side alone, the vision tower and its connector.
  bool pictures_only = false;
};

// Memory aligned to a cache line, not cleared.
struct FreeAligned {
  void operator()(std::byte* p) const { std::free(p); }
};
using Buffer = std::unique_ptr<std::byte[], FreeAligned>;

// Owns what the model's views point to.
struct LoadedModel {
  std::unique_ptr<Model> model;
  formats::Checkpoint checkpoint;  // the mapped file
  std::vector<Buffer> storage;     // converted and packed parameters
  int64_t storage_bytes = 0;
  int64_t parameters = 0;           // numbers in all
  int64_t mapped_bytes = 0;         // parameters used where the file holds them
  std::vector<std::string> unused;  // tensors of the file that the model does not know
};

// Builds the family that config.json names and fills it. Errors name the tensor, both shapes, and
// the nearest name where one is missing.
base::Result<LoadedModel> load_model(const base::Json& config, formats::Checkpoint checkpoint,
                                     base::ThreadPool& pool, const LoadOptions& options = {});

// The same model once more, its pictures' side in `weights` and packed for the backend, the rest in
// place. `loaded` keeps the file: it must outlive the copy.
base::Result<LoadedModel> copy_pictures_in(const LoadedModel& loaded, const base::Json& config,
                                           encoding::Encoding weights,
                                           const tensor::Backend& backend, base::ThreadPool& pool);

}  // namespace ocelli::models
