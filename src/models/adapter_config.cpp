#include "models/adapter_config.h"

#include <algorithm>
#include <cmath>

namespace ocelli::models {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;

namespace {

base::Error wrong(std::string what) {
  return fail(Code::kBadInput, std::move(what));
}

// Keys that say nothing about what the adapter computes.
constexpr std::string_view kHarmless[] = {
    "auto_mapping",  "revision",       "peft_version",      "inference_mode",   "megatron_config",
    "megatron_core", "loftq_config",   "eva_config",        "corda_config",     "lora_ga_config",
    "velora_config", "runtime_config", "qalora_group_size", "monteclora_config"};

bool is_nothing(const Json& value) {
  return value.is_null() || (value.is_bool() && !value.as_bool()) ||
         ((value.is_array() || value.is_object()) && value.size() == 0);
}

Result<std::vector<std::string>> read_names(const Json& json, std::string_view key) {
  std::vector<std::string> out;
  const Json* list = json.find(key);
  if (!list || list->is_null()) return out;
  if (list->is_string()) return std::vector<std::string>{list->as_string()};
  if (!list->is_array()) return wrong("\"" + std::string(key) + "\" must be a list of names");
  if (list->size() > kMaxModuleNames) {
    return fail(Code::kDoesNotFit, "\"" + std::string(key) + "\" has too many names (" +
                                       std::to_string(list->size()) + ", limit " +
                                       std::to_string(kMaxModuleNames) + ")");
  }
  for (const Json& name : list->items()) {
    if (!name.is_string() || name.as_string().empty())
      return wrong("\"" + std::string(key) + "\" must be a list of names (" +
                   base::printable(name.dump(), 60) + ")");
    out.push_back(name.as_string());
  }
  return out;
}

Json names_json(const std::vector<std::string>& names) {
  if (names.empty()) return nullptr;
  Json out = Json::array();
  for (const std::string& name : names) out.push_back(name);
  return out;
}

// Whole numbers without ".0", as PEFT has them.
Json number_json(double x) {
  if (x == std::floor(x) && std::abs(x) < 1e15) return int64_t(x);
  return x;
}

Status check_alpha(double alpha, std::string_view key) {
  if (alpha > 0 && std::isfinite(alpha) && alpha <= kMaxScale * kMaxRank) return {};
  return wrong("\"" + std::string(key) + "\" must be above 0 and sane (" +
               base::printable(Json(alpha).dump(), 40) +
               "); an adapter of another strength is given its weight when it is used");
}

// A text would make every name of the pattern's object a member; others than numbers are refused.
template <class T, class Check>
Status read_pattern(const Json& json, std::string_view key,
                    std::vector<std::pair<std::string, T>>& out, const Check& check) {
  const Json* object = json.find(key);
  if (!object || object->is_null()) return {};
  if (!object->is_object())
    return wrong("\"" + std::string(key) + "\" must be an object of names and numbers");
  if (object->size() > kMaxModuleNames) {
    return fail(Code::kDoesNotFit, "\"" + std::string(key) + "\" has too many names (" +
                                       std::to_string(object->size()) + ", limit " +
                                       std::to_string(kMaxModuleNames) + ")");
  }
  for (const auto& [name, value] : object->members()) {
    if (!value.is_number())
      return wrong("\"" + std::string(key) + "\" must hold numbers (" +
                   base::printable(value.dump(), 60) + ")");
    OCELLI_TRY(check(value));
    out.emplace_back(name, T(value.as_double()));
  }
  return {};
}

Status read_numbers(const Json& json, AdapterConfig& c) {
  OCELLI_ASSIGN(c.r, json.get_int("r", {1, kMaxRank}, 8));
  OCELLI_ASSIGN(c.lora_alpha, json.get_double("lora_alpha", 8));
  OCELLI_TRY(check_alpha(c.lora_alpha, "lora_alpha"));
  OCELLI_ASSIGN(c.lora_dropout, json.get_double("lora_dropout", 0));
  if (!(c.lora_dropout >= 0 && c.lora_dropout < 1))
    return wrong("\"lora_dropout\" must be at least 0 and below 1 (" + Json(c.lora_dropout).dump() +
                 ")");
  OCELLI_ASSIGN(c.use_rslora, json.get_bool("use_rslora", false));
  OCELLI_ASSIGN(c.use_dora, json.get_bool("use_dora", false));
  OCELLI_TRY(read_pattern(json, "rank_pattern", c.rank_pattern, [](const Json& n) -> Status {
    if (n.is_int() && n.as_int() >= 1 && n.as_int() <= kMaxRank) return {};
    return wrong("\"rank_pattern\" must hold ranks from 1 to " + std::to_string(kMaxRank) + " (" +
                 base::printable(n.dump(), 40) + ")");
  }));
  return read_pattern(json, "alpha_pattern", c.alpha_pattern,
                      [](const Json& n) { return check_alpha(n.as_double(), "alpha_pattern"); });
}

Status read_layers(const Json& json, AdapterConfig& c) {
  OCELLI_ASSIGN(c.layers_pattern, read_names(json, "layers_pattern"));
  const Json* layers = json.find("layers_to_transform");
  if (!layers || layers->is_null()) return {};
  const Json one = Json::array({*layers});
  for (const Json& layer : layers->is_array() ? layers->items() : one.items()) {
    if (!layer.is_int() || layer.as_int() < 0)
      return wrong("\"layers_to_transform\" must be numbers of layers (" +
                   base::printable(layer.dump(), 60) + ")");
    c.layers_to_transform.push_back(layer.as_int());
  }
  return {};
}

Status read_kinds(const Json& json, AdapterConfig& c) {
  const Json* type = json.find("peft_type");
  if (!type || *type != Json("LORA")) {
    return wrong("\"peft_type\" is " + (type ? base::printable(type->dump(), 60) : "missing") +
                 "; only \"LORA\" adapters are supported");
  }
  OCELLI_ASSIGN(const std::string bias, json.get_string("bias", "none"));
  if (bias != "none") {
    return wrong("\"bias\" is \"" + base::printable(bias, 40) +
                 "\"; only adapters with bias \"none\" are supported");
  }
  OCELLI_ASSIGN(const bool turned, json.get_bool("fan_in_fan_out", false));
  if (turned) return wrong("\"fan_in_fan_out\" true is of GPT-2's layers and not supported");
  const Json* init = json.find("init_lora_weights");
  if (!init || init->is_null() || init->is_bool()) return {};
  if (init->is_string()) {
    c.gaussian = init->as_string() == "gaussian";
    // These draw the factors in other ways and leave the base model as it is.
    for (const char* plain : {"gaussian", "eva", "orthogonal"})
      if (init->as_string() == plain) return {};
  }
  return wrong("\"init_lora_weights\" is " + base::printable(init->dump(), 60) +
               ", which changes the base model too; convert the adapter with PEFT's "
               "save_pretrained(path_initial_model_for_weight_conversion=...)");
}

constexpr std::string_view kKnown[] = {"peft_type",
                                       "r",
                                       "lora_alpha",
                                       "lora_dropout",
                                       "target_modules",
                                       "exclude_modules",
                                       "rank_pattern",
                                       "alpha_pattern",
                                       "use_rslora",
                                       "use_dora",
                                       "modules_to_save",
                                       "layers_to_transform",
                                       "layers_pattern",
                                       "init_lora_weights",
                                       "bias",
                                       "fan_in_fan_out",
                                       "task_type",
                                       "base_model_name_or_path"};

Status read_others(const Json& json, AdapterConfig& c) {
  for (const auto& [key, value] : json.members()) {
    // Named anew: clang 14 lets no lambda refer to a name of a binding.
    const auto is = [&key = key](std::string_view name) { return name == key; };
    if (std::any_of(std::begin(kKnown), std::end(kKnown), is)) continue;
    if (!is_nothing(value) && std::none_of(std::begin(kHarmless), std::end(kHarmless), is)) {
      return wrong("\"" + base::printable(key, 60) + "\" is " + base::printable(value.dump(), 60) +
                   ", which is not supported; without it the adapter would be another");
    }
    if (key != "inference_mode") c.others.emplace_back(key, value);
  }
  return {};
}

}  // namespace

Result<ModuleNames> ModuleNames::parse(const Json& json, std::string_view key) {
  ModuleNames out;
  const Json* value = json.find(key);
  if (value && value->is_string()) {
    std::string lower = value->as_string();
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    out.all_linear = lower == "all-linear";
    if (!out.all_linear) out.pattern = value->as_string();
    return out;
  }
  OCELLI_ASSIGN(out.names, read_names(json, key));
  return out;
}

Json ModuleNames::json() const {
  if (all_linear) return "all-linear";
  if (!pattern.empty()) return pattern;
  return names_json(names);
}

Result<AdapterConfig> AdapterConfig::parse(const Json& json) {
  AdapterConfig c;
  if (!json.is_object()) return wrong("must be a JSON object");
  OCELLI_TRY(read_kinds(json, c));
  OCELLI_TRY(read_numbers(json, c));
  OCELLI_ASSIGN(c.target_modules, ModuleNames::parse(json, "target_modules"));
  OCELLI_ASSIGN(c.exclude_modules, ModuleNames::parse(json, "exclude_modules"));
  if (c.exclude_modules.all_linear) return wrong("\"exclude_modules\" must be names or a pattern");
  OCELLI_ASSIGN(c.modules_to_save, read_names(json, "modules_to_save"));
  if (c.modules_to_save.size() > kMaxSavedModules) {
    return fail(Code::kDoesNotFit, "\"modules_to_save\" has too many names (" +
                                       std::to_string(c.modules_to_save.size()) + ", limit " +
                                       std::to_string(kMaxSavedModules) + ")");
  }
  OCELLI_TRY(read_layers(json, c));
  OCELLI_ASSIGN(c.base_model_name_or_path, json.get_string("base_model_name_or_path", ""));
  OCELLI_ASSIGN(c.task_type, json.get_string("task_type", "CAUSAL_LM"));
  OCELLI_TRY(read_others(json, c));
  return c;
}

Json AdapterConfig::json() const {
  Json ranks = Json::object(), alphas = Json::object(), layers = nullptr;
  for (const auto& [name, rank] : rank_pattern) ranks.set(name, rank);
  for (const auto& [name, alpha] : alpha_pattern) alphas.set(name, number_json(alpha));
  if (!layers_to_transform.empty()) {
    layers = Json::array();
    for (const int64_t layer : layers_to_transform) layers.push_back(layer);
  }
  Json out =
      Json::object({{"peft_type", "LORA"},
                    {"task_type", task_type},
                    {"base_model_name_or_path",
                     base_model_name_or_path.empty() ? Json() : Json(base_model_name_or_path)},
                    {"r", r},
                    {"lora_alpha", number_json(lora_alpha)},
                    {"lora_dropout", lora_dropout},
                    {"target_modules", target_modules.json()},
                    {"exclude_modules", exclude_modules.json()},
                    {"rank_pattern", std::move(ranks)},
                    {"alpha_pattern", std::move(alphas)},
                    {"use_rslora", use_rslora},
                    {"use_dora", use_dora},
                    {"modules_to_save", names_json(modules_to_save)},
                    {"layers_to_transform", std::move(layers)},
                    {"layers_pattern", names_json(layers_pattern)},
                    {"init_lora_weights", gaussian ? Json("gaussian") : Json(true)},
                    {"bias", "none"},
                    {"fan_in_fan_out", false},
                    {"inference_mode", true}});
  for (const auto& [key, value] : others) out.set(key, value);
  return out;
}

double AdapterConfig::scale(double alpha, int64_t rank) const {
  return use_rslora ? alpha / std::sqrt(double(rank)) : alpha / double(rank);
}

}  // namespace ocelli::models
