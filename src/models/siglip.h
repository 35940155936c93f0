// SigLIP: the vision tower of SmolVLM. Patches, learned positions, pre-norm transformer with biases
// and tanh GELU, final LayerNorm; no class token, no head.
// transformers: models/smolvlm/modeling_smolvlm.py, SmolVLMVisionTransformer
#pragma once

#include "base/json.h"
#include "models/model.h"
#include "nn/norm.h"

namespace ocelli::models {

struct SiglipConfig {
  int64_t hidden = 0;        // D
  int64_t intermediate = 0;  // F
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t image = 0;  // pixels of a side
  int64_t patch = 0;
  float layer_norm_eps = 1e-6f;

  int64_t grid() const { return image / patch; }  // patches of a side
  int64_t positions() const { return grid() * grid(); }

  // From a vision_config. What the hub's files leave out falls to the defaults of the original's
  // class; `found` holds what the tensors say, which wins over a default (0: not known).
  struct FromTensors {
    int64_t layers = 0, intermediate = 0;
  };
  static base::Result<SiglipConfig> parse(const base::Json& json, const FromTensors& found);
};

class Siglip {
 public:
  explicit Siglip(const SiglipConfig& config);
  void visit(nn::ParameterVisitor& v, const std::string& prefix);
  // pixels [B, 3, image, image] -> [B * positions, D]
  Tensor forward(Context& c, const Tensor& pixels) const;
  const SiglipConfig& config() const { return config_; }

 private:
  struct Block {
    nn::LayerNorm norm1, norm2;
    nn::LinearGroup<3> qkv;
    nn::Linear out, fc1, fc2;
    Tensor operator()(Context& c, const SiglipConfig& config, const Tensor& x,
                      std::span<const tensor::KeyRange> ranges) const;
  };
  SiglipConfig config_;
  nn::Linear patch_embedding_;
  Tensor position_embedding_;  // [positions, D]
  std::vector<Block> blocks_;
  nn::LayerNorm post_norm_;
};

}  // namespace ocelli::models
