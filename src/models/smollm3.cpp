#include "models/smollm3.h"

#include "models/config.h"

namespace ocelli::models {
namespace {

using base::Json;
using base::Result;
using base::Status;

// SmolLM3Config's own; the published model's numbers are others and stand in its config.json.
constexpr LlamaDefaults kDefaults{
    .tied = true, .kv_heads = 4, .rope = {.theta = 2000000, .context = 32768}};
constexpr int32_t kDefaultEos = 128001;
constexpr int64_t kDefaultInterval = 4;

// no_rope_layers: despite its name, 1 is a layer with rotary positions and 0 one without.
Result<std::vector<bool>> read_rotates(const Json& json, int64_t layers) {
  OCELLI_ASSIGN(const int64_t interval,
                json.get_int("no_rope_layer_interval", {1, kMaxLayers}, kDefaultInterval));
  std::vector<bool> rotates;
  const Json* list = json.find("no_rope_layers");
  if (!list || list->is_null()) {
    // int((layer_idx + 1) % self.no_rope_layer_interval != 0)
    for (int64_t i = 0; i < layers; ++i) rotates.push_back((i + 1) % interval != 0);
    return rotates;
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
    rotates.push_back(entry.as_int() == 1);
  }
  rotates.resize(size_t(layers));
  return rotates;
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

}  // namespace

Result<LlamaConfig> parse_smollm3(const Json& json) {
  OCELLI_ASSIGN(LlamaConfig c, LlamaConfig::parse(json, kDefaults));
  OCELLI_ASSIGN(c.rotates, read_rotates(json, c.layers));
  OCELLI_TRY(refuse_windows(json, c.layers));
  return c;
}

Result<std::unique_ptr<Model>> make_smollm3(const Json& json, const formats::Checkpoint&) {
  OCELLI_ASSIGN(LlamaConfig config, parse_smollm3(json));
  OCELLI_ASSIGN(ModelInfo info, text_info("smollm3", json, config));
  if (!json.find("eos_token_id") && kDefaultEos < config.vocab) info.eos_ids = {kDefaultEos};
  return make_text_model(std::move(config), std::move(info));
}

}  // namespace ocelli::models
