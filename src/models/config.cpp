#include "models/config.h"

#include "models/llama.h"

namespace ocelli::models {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

base::Error bad_config(std::string what) {
  return base::fail(Code::kBadInput, std::move(what));
}

Status expect_string(const Json& json, std::string_view key, std::string_view expected) {
  OCELLI_ASSIGN(const std::string value, json.get_string(key, std::string(expected)));
  if (value == expected) return {};
  return bad_config(std::string(key) + " \"" + base::printable(value, 60) +
                    "\" is not supported; only \"" + std::string(expected) + "\" is");
}

Status check_epsilon(std::string_view key, double value) {
  // It is used as a float32, where what is tiny becomes 0.
  if (float(value) > 0 && float(value) < 1) return {};
  return bad_config(std::string(key) + " must be between 0 and 1 (" + base::Json(value).dump() +
                    ")");
}

Result<std::vector<int32_t>> read_eos_ids(const Json& json, int64_t vocab) {
  const Json* value = json.find("eos_token_id");
  std::vector<int32_t> ids;
  if (!value || value->is_null()) return ids;
  const Json::Array one{*value};
  const Json::Array& list = value->is_array() ? value->items() : one;
  if (list.size() > 64) return bad_config("eos_token_id lists too many tokens (limit 64)");
  for (const Json& id : list) {
    if (!id.is_int()) return bad_config("eos_token_id must be a token id or a list of them");
    // Leftovers outside the vocabulary can never be produced; they are harmless.
    if (id.as_int() >= 0 && id.as_int() < vocab) ids.push_back(int32_t(id.as_int()));
  }
  return ids;
}

Result<ModelInfo> text_info(std::string family, const Json& json, const LlamaConfig& config) {
  ModelInfo info;
  info.family = std::move(family);
  info.vocab = config.vocab;
  info.hidden = config.hidden;
  info.context = config.rope.context;
  info.kv = {config.layers, config.kv_heads, config.head_dim};
  OCELLI_ASSIGN(info.eos_ids, read_eos_ids(json, config.vocab));
  return info;
}

}  // namespace ocelli::models
