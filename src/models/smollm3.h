// SmolLM3: Llama with layers that have no rotary positions (NoPE), so that what stands far back is
// found by content alone; long contexts by YaRN. transformers: models/smollm3/modeling_smollm3.py
#pragma once

#include "formats/checkpoint.h"
#include "models/llama.h"

namespace ocelli::models {

// From a config.json. What it leaves out has the defaults of transformers' SmolLM3Config.
base::Result<LlamaConfig> parse_smollm3(const base::Json& json);

// config.json of model_type "smollm3".
base::Result<std::unique_ptr<Model>> make_smollm3(const base::Json& config,
                                                  const formats::Checkpoint& weights);

}  // namespace ocelli::models
