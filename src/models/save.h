// Models written as Hugging Face folders: what training and merging end with.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "base/progress.h"
#include "base/thread_pool.h"
#include "formats/model_folder.h"
#include "models/loader.h"

namespace ocelli::models {

// Changes row `row` of a parameter before it is stored; `numbers` holds the model's own values as
// float32. Called from several threads for different rows.
using RowEdit = std::function<void(int64_t row, std::span<float> numbers)>;

struct SaveOptions {
  // f32, bf16 or f16 for every parameter; unset: as the file has each, and bf16 for what
  // safetensors cannot hold (q8, q4, the types of GGUF).
  std::optional<encoding::Encoding> dtype;
  std::map<std::string, RowEdit> edits;  // by the name of the parameter
  // A tied head that has come to differ from the embedding: written as "lm_head.weight", and
  // config.json says so. Row r of the head, float32 [D]; unset: tied as before.
  RowEdit untied_head;
  base::Progress* progress = nullptr;
};

// Writes the folder `out`, which must not exist or be empty: config, tokenizer, template and
// processor files of `source`, and the current values of every parameter that the model names, in
// as many files and in the same order as they were read; tensors that the model does not know are
// copied as they are. Either the whole folder is there afterwards, or nothing.
base::Status save_model(LoadedModel& loaded, const formats::ModelFolder& source,
                        base::ThreadPool& pool, const std::string& out,
                        const SaveOptions& options = {});

// The names of the files that a model's folder may have besides config.json and weights.
std::span<const char* const> side_files();

}  // namespace ocelli::models
