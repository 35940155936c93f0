// A model of config.json alone, without a file of weights: for counting and forecasting.
#pragma once

#include "models/loader.h"

namespace ocelli::models {

// Every parameter has its shape and, where it is a matrix, the encoding `weights`; all of them
// share one block of zeros, which takes no memory unless it is written. `storage_bytes` is what the
// parameters would take. Only a backend that counts may run such a model.
base::Result<LoadedModel> shape_model(const base::Json& config, encoding::Encoding weights);

// The encoding that the weights of a config.json are published in: its "dtype" or "torch_dtype",
// else that of its text_config, else bf16.
encoding::Encoding published_encoding(const base::Json& config);

}  // namespace ocelli::models
