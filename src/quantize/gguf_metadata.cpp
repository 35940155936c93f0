#include "quantize/gguf_metadata.h"

#include <algorithm>
#include <cmath>

#include "formats/gguf_config.h"
#include "models/config.h"
#include "models/smollm3.h"
#include "models/smolvlm.h"
#include "models/smolvlm_processor.h"
#include "models/template_files.h"
#include "text/tokenizer.h"

namespace ocelli::quantize {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;
using formats::GgufHeader;
using models::LlamaConfig;

namespace {

constexpr int64_t kNoRopeStep = 4;  // of SmolLM3 in llama.cpp: every fourth layer

Result<Json> read_json(const formats::ModelFolder& folder, const std::string& name,
                       size_t max_bytes) {
  OCELLI_ASSIGN(const auto text, folder.text(name, max_bytes));
  if (!text) return Json();
  return Json::parse(*text, {.max_bytes = max_bytes}).in(name);
}

Result<std::string> read_template(const formats::ModelFolder& folder) {
  OCELLI_ASSIGN(const text::TemplateFiles files, models::read_template_files(folder));
  OCELLI_ASSIGN(const std::optional<std::string> source, text::choose_template(files));
  return source.value_or(std::string());
}

// The scaling that counts: rope_scaling or rope_parameters, as nn::RotaryPositions reads them.
Json rope_scaling(const Json& config) {
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const Json* scaling = config.find(key);
    if (scaling && scaling->is_object() && scaling->size() > 0) return *scaling;
  }
  return Json::object();
}

Status add_rope(const Json& config, const std::string& prefix, double default_theta,
                int64_t context, GgufHeader& out) {
  const Json scaling = rope_scaling(config);
  OCELLI_ASSIGN(double theta, config.get_double("rope_theta", default_theta));
  OCELLI_ASSIGN(theta, scaling.get_double("rope_theta", theta));
  out.f32(prefix + "rope.freq_base", float(theta));
  OCELLI_ASSIGN(const std::string old, scaling.get_string("type", "default"));
  OCELLI_ASSIGN(const std::string type, scaling.get_string("rope_type", old));
  if (type == "default") return {};
  OCELLI_ASSIGN(const double factor, scaling.get_double("factor"));
  out.text(prefix + "rope.scaling.type", type).f32(prefix + "rope.scaling.factor", float(factor));
  if (type == "linear") return {};
  const char* kOriginal = "original_max_position_embeddings";
  OCELLI_ASSIGN(int64_t original, scaling.get_int(kOriginal, {1, UINT32_MAX}, context));
  OCELLI_ASSIGN(original, config.get_int(kOriginal, {1, UINT32_MAX}, original));
  out.u32(prefix + "rope.scaling.original_context_length", uint32_t(original));
  const std::pair<const char*, const char*> optional[] = {
      {"attention_factor", "rope.scaling.yarn_attn_factor"},
      {"beta_fast", "rope.scaling.yarn_beta_fast"},
      {"beta_slow", "rope.scaling.yarn_beta_slow"}};
  for (const auto& [name, key] : optional) {
    OCELLI_ASSIGN(const double value, scaling.get_double(name, 0));
    if (value > 0) out.f32(prefix + key, float(value));
  }
  for (const char* name : {"mscale", "mscale_all_dim"}) {
    OCELLI_ASSIGN(const double value, scaling.get_double(name, 0));
    if (value != 0)
      return fail(Code::kBadInput, std::string(name) + " cannot be said in GGUF", "rope_scaling");
  }
  return {};
}

Status check_rotates(const LlamaConfig& config) {
  for (int64_t i = 0; i < config.layers; ++i) {
    if (config.rotates_layer(i) == ((i + 1) % kNoRopeStep != 0)) continue;
    return fail(Code::kBadInput,
                "which layers have no rotary positions cannot be said in GGUF, where it is every "
                "fourth; write safetensors",
                "no_rope_layers");
  }
  return {};
}

// Keys of the text model.
Status add_text(const Json& config, const LlamaConfig& c, const std::string& architecture,
                GgufHeader& out) {
  const bool smollm3 = architecture == "smollm3";
  const std::string prefix = architecture + ".";
  OCELLI_ASSIGN(const int64_t context,
                config.get_int("max_position_embeddings", {1, UINT32_MAX}, smollm3 ? 32768 : 2048));
  const std::pair<const char*, int64_t> numbers[] = {{"block_count", c.layers},
                                                     {"context_length", context},
                                                     {"embedding_length", c.hidden},
                                                     {"feed_forward_length", c.intermediate},
                                                     {"attention.head_count", c.heads},
                                                     {"attention.head_count_kv", c.kv_heads},
                                                     {"attention.key_length", c.head_dim},
                                                     {"attention.value_length", c.head_dim},
                                                     {"rope.dimension_count", c.head_dim},
                                                     {"vocab_size", c.vocab}};
  for (const auto& [key, value] : numbers) out.u32(prefix + key, uint32_t(value));
  out.f32(prefix + "attention.layer_norm_rms_epsilon", c.rms_norm_eps);
  return add_rope(config, prefix, smollm3 ? 2000000 : 10000, context, out);
}

// How many layers the tower has and how wide their MLP is, from its parameters.
models::SiglipConfig::FromTensors tower_of(const models::ModelMap& map) {
  models::SiglipConfig::FromTensors found;
  for (const models::ParameterRef& p : map.parameters()) {
    if (!p.name.starts_with("model.vision_model.") || !p.name.ends_with(".mlp.fc1.weight"))
      continue;
    ++found.layers;
    found.intermediate = p.shape[0];
  }
  return found;
}

// Keys of the tower's file, and what it cannot say.
Status add_projector(const ModelTexts& texts, const models::SmolVlmConfig& c, GgufParts& out) {
  GgufHeader& h = out.projector;
  h.text("general.architecture", "clip").text("general.type", "mmproj");
  h.text("general.name", texts.name);
  h.flag("clip.has_vision_encoder", true).text("clip.projector_type", "idefics3");
  h.flag("clip.use_gelu", true);
  OCELLI_ASSIGN(const models::SmolVlmProcessorConfig pictures,
                models::SmolVlmProcessorConfig::parse(texts.preprocessor, texts.processor)
                    .in("preprocessor_config.json"));
  const std::pair<const char*, int64_t> numbers[] = {{"image_size", c.vision.image},
                                                     {"patch_size", c.vision.patch},
                                                     {"embedding_length", c.vision.hidden},
                                                     {"feed_forward_length", c.vision.intermediate},
                                                     {"block_count", c.vision.layers},
                                                     {"attention.head_count", c.vision.heads},
                                                     {"projection_dim", c.text.hidden},
                                                     {"projector.scale_factor", c.scale},
                                                     {"preproc_image_size", pictures.longest_edge}};
  for (const auto& [key, value] : numbers)
    h.u32(std::string("clip.vision.") + key, uint32_t(value));
  // Exactly 1e-5 is what llama.cpp's converter writes for models that do not say, which means 1e-6.
  constexpr float kStandIn = 1e-5f;
  const float eps = c.vision.layer_norm_eps;
  h.f32("clip.vision.attention.layer_norm_epsilon",
        eps == kStandIn ? std::nextafter(eps, 1.0f) : eps);
  h.f32s("clip.vision.image_mean", pictures.mean).f32s("clip.vision.image_std", pictures.stddev);
  if (!pictures.split) {
    h.flag(formats::kGgufSplitKey, false);
    out.warnings.push_back(
        "other programs cannot know from a GGUF file that this model's pictures "
        "are not cut into tiles");
  }
  if (pictures.filter != media::Filter::kLanczos || pictures.rescale != 1.0 / 255)
    out.warnings.push_back(
        "a GGUF file cannot say how this model's pictures are resized; they "
        "will be with Lanczos");
  return {};
}

}  // namespace

Result<ModelTexts> read_texts(const formats::ModelFolder& folder) {
  ModelTexts out;
  out.name = folder.name();
  const std::pair<const char*, Json*> files[] = {{"config.json", &out.config},
                                                 {"generation_config.json", &out.generation},
                                                 {"tokenizer_config.json", &out.tokenizer_config},
                                                 {"preprocessor_config.json", &out.preprocessor},
                                                 {"processor_config.json", &out.processor}};
  for (const auto& [name, json] : files) {
    OCELLI_ASSIGN(*json, read_json(folder, name, models::kMaxConfigBytes));
  }
  OCELLI_ASSIGN(out.tokenizer, read_json(folder, "tokenizer.json", text::kMaxTokenizerBytes));
  OCELLI_ASSIGN(out.chat_template, read_template(folder));
  return out;
}

Result<GgufParts> gguf_metadata(const ModelTexts& texts, const models::ModelMap& map) {
  GgufParts out;
  OCELLI_ASSIGN(const std::string type, texts.config.get_string("model_type").in("config.json"));
  const bool pictures = type == "smolvlm" || type == "idefics3";
  const std::string architecture = type == "smollm3" ? "smollm3" : "llama";
  if (!pictures && type != "llama" && type != "smollm3") {
    return fail(Code::kUsage, "models of type " + base::printable(type, 40) +
                                  " cannot be written as GGUF yet; write safetensors");
  }
  const Json text_config = pictures ? *texts.config.find("text_config") : texts.config;
  LlamaConfig text;
  std::optional<models::SmolVlmConfig> whole;
  if (pictures) {
    OCELLI_ASSIGN(whole, models::SmolVlmConfig::parse(texts.config, tower_of(map)));
    text = whole->text;
  } else if (type == "smollm3") {
    OCELLI_ASSIGN(text, models::parse_smollm3(texts.config));
    OCELLI_TRY(check_rotates(text));
  } else {
    OCELLI_ASSIGN(text, LlamaConfig::parse(texts.config, {}));
  }
  out.text.text("general.architecture", architecture).text("general.type", "model");
  out.text.text("general.name", texts.name);
  OCELLI_TRY(add_text(text_config, text, architecture, out.text));
  // As the engine: generation_config.json, else the model's own.
  OCELLI_ASSIGN(std::vector<int32_t> ends, models::read_eos_ids(texts.generation, text.vocab));
  if (ends.empty()) {
    OCELLI_ASSIGN(ends, models::read_eos_ids(texts.config, text.vocab));
  }
  if (ends.empty()) {
    OCELLI_ASSIGN(ends, models::read_eos_ids(text_config, text.vocab));
  }
  OCELLI_TRY(add_gguf_tokenizer(texts, text.vocab, ends, out.text).in("tokenizer"));
  if (!texts.chat_template.empty()) out.text.text("tokenizer.chat_template", texts.chat_template);
  if (architecture == "llama") {
    out.q_heads = text.heads;
    out.k_heads = text.kv_heads;
  }
  if (!whole) return out;
  out.has_projector = true;
  OCELLI_TRY(add_projector(texts, *whole, out));
  return out;
}

}  // namespace ocelli::quantize
