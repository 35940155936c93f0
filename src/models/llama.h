// Llama: the text model of SmolLM2 and of SmolVLM. RMSNorm, rotary positions, grouped-query
// attention, SiLU-gated MLP, no biases. transformers: models/llama/modeling_llama.py
#pragma once

#include "base/json.h"
#include "models/model.h"
#include "nn/norm.h"

namespace ocelli::models {

struct LlamaConfig {
  int64_t hidden = 0;        // D
  int64_t intermediate = 0;  // F
  int64_t layers = 0;
  int64_t heads = 0;     // H
  int64_t kv_heads = 0;  // Hkv, divides H
  int64_t head_dim = 0;  // Dh, even
  int64_t vocab = 0;     // V
  int64_t context = 0;
  float rms_norm_eps = 1e-5f;
  double rope_theta = 10000;
  bool tied = false;  // logits from the embedding matrix

  // From a config.json (or its text_config). Every number is checked against limits.
  static base::Result<LlamaConfig> parse(const base::Json& json, bool tied_by_default);
};

// One decoder layer. A null rope table means no rotary positions in this layer.
struct LlamaBlock {
  nn::RmsNorm input_norm, post_attention_norm;
  nn::LinearGroup<3> qkv;
  nn::Linear o;
  nn::LinearGroup<2> gate_up;
  nn::Linear down;

  // x [T, D] -> [T, D]
  Tensor operator()(Context& c, const LlamaConfig& config, const Tensor& x, const Tensor& rope,
                    const nn::Sequence& sequence, int64_t layer) const;
  void visit(nn::ParameterVisitor& v, const LlamaConfig& config, const std::string& prefix);
};

// Rotary frequencies as the original computes them, in float32: 1 / theta^(2i / Dh), [Dh / 2].
std::vector<float> rope_frequencies(double theta, int64_t head_dim);

// The stack of layers, shared by text models and by the text side of SmolVLM.
class LlamaStack {
 public:
  explicit LlamaStack(const LlamaConfig& config);
  void visit(nn::ParameterVisitor& v, const std::string& prefix, const std::string& head_name);
  Tensor embed(Context& c, std::span<const int32_t> ids) const;
  Tensor forward(Context& c, Tensor x, const nn::Sequence& sequence) const;
  Tensor logits(Context& c, const Tensor& hidden) const;
  const LlamaConfig& config() const { return config_; }

 private:
  LlamaConfig config_;
  std::vector<float> inv_freq_;
  nn::Weight embed_tokens_;
  std::vector<LlamaBlock> blocks_;
  nn::RmsNorm norm_;
  nn::Linear lm_head_;  // empty when tied
};

// config.json of model_type "llama".
base::Result<std::unique_ptr<Model>> make_llama(const base::Json& config);

}  // namespace ocelli::models
