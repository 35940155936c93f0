#include "models/llama.h"

#include <cmath>

#include "models/config.h"
#include "nn/feed_forward.h"
#include "ops/attention.h"
#include "ops/rope.h"
#include "ops/rows.h"

namespace ocelli::models {

using base::Json;
using base::Result;

namespace {

Result<nn::RotaryPositions> read_rope(const Json& json, nn::RopeDefaults defaults,
                                      int64_t head_dim) {
  defaults.head_dim = head_dim;
  OCELLI_ASSIGN(nn::RotaryPositions rope, nn::RotaryPositions::parse(json, defaults));
  if (rope.context <= kMaxContext) return rope;
  return bad_config("max_position_embeddings gives too long a context (" +
                    std::to_string(rope.context) + " tokens after scaling, limit " +
                    std::to_string(kMaxContext) + ")");
}

}  // namespace

Result<LlamaConfig> LlamaConfig::parse(const Json& json, const LlamaDefaults& defaults) {
  LlamaConfig c;
  OCELLI_ASSIGN(c.hidden, json.get_int("hidden_size", {1, kMaxWidth}));
  OCELLI_ASSIGN(c.intermediate, json.get_int("intermediate_size", {1, kMaxWidth}));
  OCELLI_ASSIGN(c.layers, json.get_int("num_hidden_layers", {1, kMaxLayers}));
  OCELLI_ASSIGN(c.heads, json.get_int("num_attention_heads", {1, kMaxHeads}));
  const bool kv_default = defaults.kv_heads > 0 && !json.find("num_key_value_heads");
  OCELLI_ASSIGN(c.kv_heads, json.get_int("num_key_value_heads", {1, kMaxHeads},
                                         kv_default ? defaults.kv_heads : c.heads));
  // head_dim or hidden_size // num_attention_heads
  OCELLI_ASSIGN(c.head_dim, json.get_int("head_dim", {2, kMaxHeadDim}, c.hidden / c.heads));
  OCELLI_ASSIGN(c.vocab, json.get_int("vocab_size", {1, kMaxVocab}));
  OCELLI_ASSIGN(const double eps, json.get_double("rms_norm_eps", 1e-6));
  OCELLI_ASSIGN(c.tied, json.get_bool("tie_word_embeddings", defaults.tied));
  OCELLI_TRY(expect_string(json, "hidden_act", "silu"));
  OCELLI_TRY(check_epsilon("rms_norm_eps", eps));
  c.rms_norm_eps = float(eps);
  if (c.heads % c.kv_heads != 0) {
    return bad_config("num_attention_heads (" + std::to_string(c.heads) +
                      ") must be a multiple of num_key_value_heads (" + std::to_string(c.kv_heads) +
                      ")");
  }
  if (c.head_dim % 2 != 0 || c.head_dim < 2 || c.head_dim > kMaxHeadDim) {
    return bad_config("head_dim must be even for rotary positions and at most " +
                      std::to_string(kMaxHeadDim) + " (" + std::to_string(c.head_dim) + ")");
  }
  OCELLI_ASSIGN(c.rope, read_rope(json, defaults.rope, c.head_dim));
  // The original would add biases, which this definition does not have.
  for (const char* key : {"attention_bias", "mlp_bias"}) {
    OCELLI_ASSIGN(const bool bias, json.get_bool(key, false));
    if (bias) return bad_config(std::string(key) + " true is not supported for this family");
  }
  return c;
}

Tensor LlamaBlock::operator()(Context& c, const LlamaConfig& config, const Tensor& x,
                              const Tensor& rope, const nn::Sequence& sequence,
                              int64_t layer) const {
  // h = self.input_layernorm(hidden_states)
  // query, key, value = q_proj(h), k_proj(h), v_proj(h), each split into heads
  auto [q, k, v] = qkv(c, x, input_norm);
  q = q.split_last(config.head_dim);
  k = k.split_last(config.head_dim);
  v = v.split_last(config.head_dim);
  // query, key = apply_rotary_pos_emb(query, key, cos, sin), in SmolLM3 if self.use_rope
  if (rope) {
    q = ops::rope(c, q, rope);
    k = ops::rope(c, k, rope);
  }
  // key, value = past_key_values.update(key, value, layer_idx)
  if (sequence.cache) {
    k = ops::store_rows(c, k, sequence.cache_rows, sequence.cache->keys(layer));
    v = ops::store_rows(c, v, sequence.cache_rows, sequence.cache->values(layer));
  }
  const float scale = 1.0f / std::sqrt(float(config.head_dim));
  const Tensor attended =
      ops::attention(c, q, k, v, sequence.ranges, scale,
                     nn::attention_numbers(qkv.members, tensor::AttentionNumbers::kBF16));
  // hidden_states = residual + self.o_proj(attn_output)
  const Tensor r = o(c, attended.reshape({x.dim(0), config.heads * config.head_dim}),
                     tensor::Activation::kNone, x);
  // hidden_states = residual + down_proj(silu(gate_proj(n)) * up_proj(n)), n =
  // post_attention_layernorm
  return nn::feed_forward(c, r, post_attention_norm, gate_up, down, r);
}

void LlamaBlock::visit(nn::ParameterVisitor& v, const LlamaConfig& g, const std::string& prefix) {
  const int64_t q_width = g.heads * g.head_dim, kv_width = g.kv_heads * g.head_dim;
  input_norm.eps = post_attention_norm.eps = g.rms_norm_eps;
  input_norm.visit(v, prefix + "input_layernorm", g.hidden);
  v.linear(prefix + "self_attn.q_proj", qkv.members[0], q_width, g.hidden, false);
  v.linear(prefix + "self_attn.k_proj", qkv.members[1], kv_width, g.hidden, false);
  v.linear(prefix + "self_attn.v_proj", qkv.members[2], kv_width, g.hidden, false);
  v.linear(prefix + "self_attn.o_proj", o, g.hidden, q_width, false);
  post_attention_norm.visit(v, prefix + "post_attention_layernorm", g.hidden);
  v.linear(prefix + "mlp.gate_proj", gate_up.members[0], g.intermediate, g.hidden, false);
  v.linear(prefix + "mlp.up_proj", gate_up.members[1], g.intermediate, g.hidden, false);
  v.linear(prefix + "mlp.down_proj", down, g.hidden, g.intermediate, false);
}

LlamaStack::LlamaStack(LlamaConfig config)
    : config_(std::move(config)), blocks_(size_t(config_.layers)) {
  norm_.eps = config_.rms_norm_eps;
}

void LlamaStack::visit(nn::ParameterVisitor& v, const std::string& prefix,
                       const std::string& head_name) {
  v.embedding(prefix + "embed_tokens", embed_tokens_, config_.vocab, config_.hidden);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    blocks_[i].visit(v, config_, prefix + "layers." + std::to_string(i) + ".");
  }
  norm_.visit(v, prefix + "norm", config_.hidden);
  if (config_.tied) {
    v.tied_module(head_name, lm_head_, prefix + "embed_tokens");
  } else {
    v.linear(head_name, lm_head_, config_.vocab, config_.hidden, false);
  }
}

Tensor LlamaStack::embed(Context& c, std::span<const int32_t> ids) const {
  return embed_tokens_(c, ids);
}

Tensor LlamaStack::forward(Context& c, Tensor x, const nn::Sequence& sequence) const {
  // cos, sin = self.rotary_emb(hidden_states, position_ids)
  const Tensor table = config_.rope.table(c, sequence.positions);
  const auto kept = nn::keep(c, sequence);
  for (int64_t i = 0; i < config_.layers; ++i) {
    const Tensor rope = config_.rotates_layer(i) ? table : Tensor();
    x = nn::run_block(c, x, [this, i, rope, kept](Context& inner, const Tensor& in) {
      return blocks_[size_t(i)](inner, config_, in, rope, *kept, i);
    });
  }
  return norm_(c, x);
}

Tensor LlamaStack::logits(Context& c, const Tensor& hidden) const {
  if (lm_head_.w) return lm_head_(c, hidden);
  nn::Linear head = lm_head_;
  head.w = embed_tokens_.w;
  return head(c, hidden);
}

namespace {

class LlamaModel : public Model {
 public:
  LlamaModel(LlamaConfig config, ModelInfo info)
      : info_(std::move(info)), stack_(std::move(config)) {}
  const ModelInfo& info() const override { return info_; }
  void visit(nn::ParameterVisitor& v) override { stack_.visit(v, "model.", "lm_head"); }
  Tensor embed(Context& c, std::span<const int32_t> ids) const override {
    return stack_.embed(c, ids);
  }
  Tensor forward(Context& c, const Tensor& embeddings, const nn::Sequence& s) const override {
    return stack_.forward(c, embeddings, s);
  }
  Tensor logits(Context& c, const Tensor& hidden) const override {
    return stack_.logits(c, hidden);
  }

 private:
  ModelInfo info_;
  LlamaStack stack_;
};

}  // namespace

std::unique_ptr<Model> make_text_model(LlamaConfig config, ModelInfo info) {
  return std::make_unique<LlamaModel>(std::move(config), std::move(info));
}

Result<std::unique_ptr<Model>> make_llama(const Json& json) {
  OCELLI_ASSIGN(LlamaConfig config, LlamaConfig::parse(json, {}));
  OCELLI_ASSIGN(ModelInfo info, text_info("llama", json, config));
  return make_text_model(std::move(config), std::move(info));
}

}  // namespace ocelli::models
