// SmolVLM v1 and v2: a SigLIP tower, a pixel-shuffle connector and a Llama text model.
// transformers: models/smolvlm/modeling_smolvlm.py (v1: models/idefics3)
#pragma once

#include "models/llama.h"
#include "models/siglip.h"

namespace ocelli::formats {
class Checkpoint;
}

namespace ocelli::models {

struct SmolVlmConfig {
  SiglipConfig vision;
  LlamaConfig text;
  int64_t scale = 0;  // pixel shuffle: scale^2 patches become one token
  int32_t image_token_id = 0;

  int64_t tokens_per_tile() const { return vision.positions() / (scale * scale); }
  int64_t tower_width() const { return vision.hidden * scale * scale; }
  static base::Result<SmolVlmConfig> parse(const base::Json& json,
                                           const SiglipConfig::FromTensors& found);
};

// config.json of model_type "smolvlm" or "idefics3". `weights` fills what the config leaves out.
base::Result<std::unique_ptr<Model>> make_smolvlm(const base::Json& config,
                                                  const formats::Checkpoint& weights);

}  // namespace ocelli::models
