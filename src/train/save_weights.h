// A whole model as a Hugging Face folder.
#pragma once

#include "formats/model_folder.h"
#include "train/parameters.h"

namespace ocelli::train {

// Writes `out`, which must not exist: the files of `source` that describe the model, and
// model.safetensors with every tensor of the checkpoint, those that train from `parameters`.
// `dtype`: of all floating tensors; unset: as read.
base::Status save_full_model(const models::LoadedModel& loaded, const formats::ModelFolder& source,
                             const ParameterSet& parameters,
                             std::optional<encoding::Encoding> dtype, const std::string& out);

}  // namespace ocelli::train
