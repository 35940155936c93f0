#include "models/smollm3.h"

#include "models/config.h"
#include "ops/embedding.h"

namespace ocelli::models {
namespace {

using base::Json;
using base::Result;
using base::Status;

// SmolLM3Config's own; the published model's numbers are others and stand in its config.json.
constexpr nn::RopeDefaults kRopeDefaults{.theta = 2000000, .context = 32768};
constexpr int kDefaultKvHeads = 4;
constexpr int kDefaultEos = 128001;
constexpr int64_t kDefaultInterval = 4;

// The keys that are Llama's, without those that are read here.
Json llama_keys(const Json& json) {
  Json out = json;
  for (const char* key : {"rope_scaling", "rope_parameters", "rope_theta"}) out.set(key, nullptr);
  if (!json.find("num_key_value_heads")) out.set("num_key_value_heads", kDefaultKvHeads);
  if (!json.find("eos_token_id")) out.set("eos_token_id", kDefaultEos);
  return out;
}

// no_rope_layers: despite its name, 1 is a layer with rotary positions and 0 one without.
Result<std::vector<bool>> read_turns(const Json& json, int64_t layers) {
  OCELLI_ASSIGN(const int64_t interval,
                json.get_int("no_rope_layer_interval", {1, kMaxLayers}, kDefaultInterval));
  std::vector<bool> turns;
  const Json* list = json.find("no_rope_layers");
  if (!list || list->is_null()) {
    // int((layer_idx + 1) % self.no_rope_layer_interval != 0)
    for (int64_t i = 0; i < layers; ++i) turns.push_back((i + 1) % interval != 0);
    return turns;
  }
  if (!list->is_array()) return bad_config("no_rope_layers must be a list of 0 and 1");
  if (int64_t(list->size()) < layers || int64_t(list->size()) > kMaxLayers) {
    return bad_config("no_rope_layers must have an entry for each of the " +
                      std::to_string(layers) + " layers (" + std::to_string(list->size()) + ")");
  }
  for (const Json& entry : list->items()) {
    if (!entry.is_int() || entry.as_int() < 0 || entry.as_int() > 1) {
      return bad_config("no_rope_layers must hold 0 and 1 only (" +
                        base::printable(entry.dump(), 40) + ")");
    }
    turns.push_back(entry.as_int() == 1);
  }
  turns.resize(size_t(layers));
  return turns;
}

// Every layer must see everything before it.
Status refuse_windows(const Json& json, int64_t layers) {
  OCELLI_ASSIGN(const bool used, json.get_bool("use_sliding_window", false));
  OCELLI_ASSIGN(const int64_t window, json.get_int("sliding_window", {0, kMaxContext}, 0));
  if (used && window > 0) {
    return bad_config("sliding windows are not supported for this family (sliding_window " +
                      std::to_string(window) + ")");
  }
  const Json* types = json.find("layer_types");
  if (!types || types->is_null()) return {};
  if (!types->is_array() || int64_t(types->size()) != layers) {
    return bad_config("layer_types must be a list with an entry for each of the " +
                      std::to_string(layers) + " layers");
  }
  for (const Json& type : types->items()) {
    if (type == Json("full_attention")) continue;
    return bad_config("layer_types " + base::printable(type.dump(), 60) +
                      " is not supported; only \"full_attention\" is");
  }
  return {};
}

class SmolLm3 : public Model {
 public:
  SmolLm3(SmolLm3Config config, ModelInfo info)
      : info_(std::move(info)), config_(std::move(config)), blocks_(config_.turns.size()) {
    norm_.eps = config_.llama.rms_norm_eps;
  }

  const ModelInfo& info() const override { return info_; }

  void visit(nn::ParameterVisitor& v) override {
    const LlamaConfig& g = config_.llama;
    v.matrix("model.embed_tokens.weight", embed_tokens_, g.vocab, g.hidden);
    for (size_t i = 0; i < blocks_.size(); ++i) {
      blocks_[i].visit(v, g, "model.layers." + std::to_string(i) + ".");
    }
    norm_.visit(v, "model.norm", g.hidden);
    if (!g.tied) v.linear("lm_head", lm_head_, g.vocab, g.hidden, false);
  }

  Tensor embed(Context& c, std::span<const int32_t> ids) const override {
    return ops::embedding(c, ids, embed_tokens_);
  }

  Tensor forward(Context& c, const Tensor& embeddings, const nn::Sequence& s) const override {
    // cos, sin = self.rotary_emb(hidden_states, position_ids)
    const Tensor turn = config_.rope.table(c, s.positions);
    Tensor x = embeddings;
    for (size_t i = 0; i < blocks_.size(); ++i) {
      x = nn::run_block(c, x, [&](Context& inner, const Tensor& in) {
        // if self.use_rope: query, key = apply_rotary_pos_emb(query, key, cos, sin)
        const Tensor rope = config_.turns[i] ? turn : Tensor();
        return blocks_[i](inner, config_.llama, in, rope, s, int64_t(i));
      });
    }
    return norm_(c, x);
  }

  Tensor logits(Context& c, const Tensor& hidden) const override {
    return config_.llama.tied ? ops::linear(c, hidden, embed_tokens_) : lm_head_(c, hidden);
  }

  Tensor encode_tiles(Context&, const Tensor&) const override {
    OCELLI_CHECK(false, "a text model encodes no pictures");
    return {};
  }

 private:
  ModelInfo info_;
  SmolLm3Config config_;
  nn::Weight embed_tokens_;
  std::vector<LlamaBlock> blocks_;
  nn::RmsNorm norm_;
  nn::Linear lm_head_;  // empty when tied
};

}  // namespace

Result<SmolLm3Config> SmolLm3Config::parse(const Json& json) {
  SmolLm3Config c;
  OCELLI_ASSIGN(c.llama, LlamaConfig::parse(llama_keys(json), true));
  nn::RopeDefaults defaults = kRopeDefaults;
  defaults.head_dim = c.llama.head_dim;
  OCELLI_ASSIGN(c.rope, nn::RotaryPositions::parse(json, defaults));
  if (c.rope.context > kMaxContext) {
    return bad_config("the context is too long (" + std::to_string(c.rope.context) +
                      " tokens after scaling, limit " + std::to_string(kMaxContext) + ")");
  }
  c.llama.context = c.rope.context;
  OCELLI_ASSIGN(c.turns, read_turns(json, c.llama.layers));
  OCELLI_TRY(refuse_windows(json, c.llama.layers));
  return c;
}

Result<std::unique_ptr<Model>> make_smollm3(const Json& json, const formats::Checkpoint&) {
  OCELLI_ASSIGN(SmolLm3Config config, SmolLm3Config::parse(json));
  OCELLI_ASSIGN(ModelInfo info, text_info("smollm3", llama_keys(json), config.llama));
  return std::unique_ptr<Model>(std::make_unique<SmolLm3>(std::move(config), std::move(info)));
}

}  // namespace ocelli::models
