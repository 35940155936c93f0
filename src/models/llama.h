// Llama: the text model of SmolLM2, of SmolVLM and, with some layers without rotary positions, of
// SmolLM3. RMSNorm, rotary positions, grouped-query attention, SiLU-gated MLP, no biases.
// transformers: models/llama/modeling_llama.py
#pragma once

#include "base/json.h"
#include "models/model.h"
#include "nn/norm.h"
#include "nn/rope.h"

namespace ocelli::models {

// Where a config.json is silent.
struct LlamaDefaults {
  bool tied = false;
  int64_t kv_heads = 0;  // 0: as many as heads
  nn::RopeDefaults rope = {};
};

struct LlamaConfig {
  int64_t hidden = 0;        // D
  int64_t intermediate = 0;  // F
  int64_t layers = 0;
  int64_t heads = 0;     // H
  int64_t kv_heads = 0;  // Hkv, divides H
  int64_t head_dim = 0;  // Dh, even
  int64_t vocab = 0;     // V
  float rms_norm_eps = 1e-5f;
  nn::RotaryPositions rope;   // with the length of the context
  std::vector<bool> rotates;  // per layer: whether it has rotary positions; empty: all have
  bool tied = false;          // logits from the embedding matrix

  bool rotates_layer(int64_t i) const { return rotates.empty() || rotates[size_t(i)]; }

  // From a config.json (or its text_config). Every number is checked against limits.
  static base::Result<LlamaConfig> parse(const base::Json& json, const LlamaDefaults& defaults);
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

// The stack of layers, shared by text models and by the text side of SmolVLM.
class LlamaStack {
 public:
  explicit LlamaStack(LlamaConfig config);
  void visit(nn::ParameterVisitor& v, const std::string& prefix, const std::string& head_name);
  Tensor embed(Context& c, std::span<const int32_t> ids) const;
  Tensor forward(Context& c, Tensor x, const nn::Sequence& sequence) const;
  Tensor logits(Context& c, const Tensor& hidden) const;
  const LlamaConfig& config() const { return config_; }

 private:
  LlamaConfig config_;
  nn::Embedding embed_tokens_;
  std::vector<LlamaBlock> blocks_;
  nn::RmsNorm norm_;
  nn::Linear lm_head_;  // without a matrix when tied
};

// A model that is the stack alone.
std::unique_ptr<Model> make_text_model(LlamaConfig config, ModelInfo info);

// config.json of model_type "llama".
base::Result<std::unique_ptr<Model>> make_llama(const base::Json& config);

}  // namespace ocelli::models
