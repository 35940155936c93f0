#include "formats/gguf_config.h"

#include <algorithm>

#include "formats/gguf_tokenizer.h"

namespace ocelli::formats {

using base::Code;
using base::fail;
using base::IntRange;
using base::Json;
using base::Result;
using base::Status;

namespace {

constexpr GgufArchitecture kArchitectures[] = {
    {"llama", "llama", true},
    {"smollm3", "smollm3", true},
};

// Families check numbers against their own limits; this keeps nonsense out with the key's name.
constexpr IntRange kCount{1, INT32_MAX};

constexpr std::string_view kImageToken = "<image>";  // of SmolVLM and Idefics 3
constexpr char kProjectorType[] = "idefics3";

base::Error bad(std::string what) {
  return fail(Code::kBadInput, std::move(what));
}

// Keys of an architecture.
class Keys {
 public:
  Keys(const GgufMetadata& metadata, std::string_view architecture)
      : metadata_(metadata), prefix_(std::string(architecture) + ".") {}

  std::string key(std::string_view name) const { return prefix_ + std::string(name); }
  bool has(std::string_view name) const { return metadata_.has(key(name)); }
  Result<int64_t> count(std::string_view name) const {
    return metadata_.integer(key(name), kCount);
  }
  Result<int64_t> count(std::string_view name, int64_t fallback) const {
    return metadata_.integer(key(name), kCount, fallback);
  }
  Result<double> positive(std::string_view name) const { return metadata_.positive(key(name)); }
  Result<double> positive(std::string_view name, double fallback) const {
    return metadata_.positive(key(name), fallback);
  }
  Result<std::string_view> text(std::string_view name, std::string_view fallback) const {
    return metadata_.text(key(name), fallback);
  }
  // A number, or as many equal ones as there are layers.
  Result<int64_t> count_or_list(std::string_view name, int64_t fallback) const {
    const GgufValue* value = metadata_.find(key(name));
    if (!value || !value->array) return count(name, fallback);
    OCELLI_ASSIGN(const std::vector<int64_t> list, metadata_.integers(key(name), 65'536));
    const bool equal = !list.empty() && std::all_of(list.begin(), list.end(),
                                                    [&](int64_t n) { return n == list[0]; });
    if (!equal || list[0] < 1) {
      return bad(key(name) +
                 " differs between layers, which is not supported for this "
                 "architecture");
    }
    return list[0];
  }

 private:
  const GgufMetadata& metadata_;
  std::string prefix_;
};

Status check_epsilon(const std::string& key, double value) {
  // It is used as a float32.
  if (float(value) > 0 && float(value) < 1) return {};
  return bad(key + ", an epsilon, must be between 0 and 1 (" + Json(value).dump() + ")");
}

// --- the text model ---

Result<Json> rope_scaling(const Keys& keys) {
  OCELLI_ASSIGN(const std::string_view type, keys.text("rope.scaling.type", "none"));
  if (type == "none") return Json();
  if (type != "linear" && type != "yarn") {
    return bad(keys.key("rope.scaling.type") + " \"" + base::printable(type, 60) +
               "\" is not supported; none, linear and yarn are");
  }
  Json out = Json::object({{"rope_type", type}});
  OCELLI_ASSIGN(const double factor, keys.positive("rope.scaling.factor"));
  out.set("factor", factor);
  if (type == "linear") return out;
  OCELLI_ASSIGN(const int64_t original, keys.count("rope.scaling.original_context_length"));
  out.set("original_max_position_embeddings", original);
  const std::pair<const char*, const char*> optional[] = {
      {"rope.scaling.yarn_attn_factor", "attention_factor"},
      {"rope.scaling.yarn_beta_fast", "beta_fast"},
      {"rope.scaling.yarn_beta_slow", "beta_slow"}};
  for (const auto& [key, name] : optional) {
    if (!keys.has(key)) continue;
    OCELLI_ASSIGN(const double value, keys.positive(key));
    out.set(name, value);
  }
  for (const char* key : {"rope.scaling.yarn_ext_factor", "rope.scaling.yarn_log_multiplier"}) {
    if (keys.has(key)) return bad(keys.key(key) + " is not supported");
  }
  return out;
}

struct HeadShape {
  int64_t q = 0, k = 0, width = 0;
};

Result<HeadShape> head_shape(const Keys& keys, int64_t hidden) {
  HeadShape out;
  OCELLI_ASSIGN(out.q, keys.count("attention.head_count"));
  OCELLI_ASSIGN(out.k, keys.count_or_list("attention.head_count_kv", out.q));
  if (!keys.has("attention.key_length") && hidden % out.q != 0) {
    return bad(keys.key("attention.head_count") + " (" + std::to_string(out.q) +
               ") does not divide embedding_length (" + std::to_string(hidden) + ")");
  }
  if (out.q % out.k != 0) {
    return bad(keys.key("attention.head_count_kv") + " (" + std::to_string(out.k) +
               ") does not divide head_count (" + std::to_string(out.q) + ")");
  }
  OCELLI_ASSIGN(out.width, keys.count("attention.key_length", hidden / out.q));
  for (const char* key : {"attention.value_length", "rope.dimension_count"}) {
    OCELLI_ASSIGN(const int64_t width, keys.count(key, out.width));
    if (width != out.width) {
      return bad(keys.key(key) + " (" + std::to_string(width) + ") is not the width of a head (" +
                 std::to_string(out.width) + "), which is not supported");
    }
  }
  return out;
}

Result<int64_t> vocabulary(const GgufMetadata& text, const Keys& keys) {
  constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
  OCELLI_ASSIGN(const auto tokens, text.texts(kTokens));
  if (tokens.empty()) return bad(std::string(kTokens) + " is empty");
  const auto count = int64_t(tokens.size());
  OCELLI_ASSIGN(const int64_t size, keys.count("vocab_size", count));
  if (size == count) return size;
  return bad(keys.key("vocab_size") + " (" + std::to_string(size) +
             ") is not the number of tokens in " + std::string(kTokens) + " (" +
             std::to_string(count) + ")");
}

Result<Json> text_config(const GgufMetadata& text, bool tied) {
  OCELLI_ASSIGN(const GgufArchitecture* architecture, gguf_architecture(text));
  const Keys keys(text, architecture->name);
  OCELLI_ASSIGN(const int64_t hidden, keys.count("embedding_length"));
  OCELLI_ASSIGN(const HeadShape heads, head_shape(keys, hidden));
  Json out = Json::object({{"model_type", architecture->model_type},
                           {"hidden_size", hidden},
                           {"num_attention_heads", heads.q},
                           {"num_key_value_heads", heads.k},
                           {"head_dim", heads.width},
                           {"tie_word_embeddings", tied}});
  OCELLI_ASSIGN(const int64_t layers, keys.count("block_count"));
  OCELLI_ASSIGN(const int64_t inner, keys.count_or_list("feed_forward_length", 0));
  if (inner == 0) return bad(keys.key("feed_forward_length") + " is missing from the metadata");
  OCELLI_ASSIGN(const int64_t context, keys.count("context_length", 2048));
  OCELLI_ASSIGN(const int64_t tokens, vocabulary(text, keys));
  OCELLI_ASSIGN(const double eps, keys.positive("attention.layer_norm_rms_epsilon"));
  OCELLI_TRY(check_epsilon(keys.key("attention.layer_norm_rms_epsilon"), eps));
  OCELLI_ASSIGN(const double theta, keys.positive("rope.freq_base", 10000));
  OCELLI_ASSIGN(Json scaling, rope_scaling(keys));
  OCELLI_ASSIGN(const int64_t experts, text.integer(keys.key("expert_count"), {0, INT32_MAX}, 0));
  if (experts > 0) return bad(keys.key("expert_count") + ": a mixture of experts is not supported");
  out.set("num_hidden_layers", layers).set("intermediate_size", inner);
  out.set("max_position_embeddings", context).set("vocab_size", tokens);
  out.set("rms_norm_eps", eps).set("rope_theta", theta);
  if (!scaling.is_null()) out.set("rope_scaling", std::move(scaling));
  OCELLI_ASSIGN(const std::vector<int64_t> ends, gguf_end_ids(text));
  Json list = Json::array();
  for (const int64_t id : ends) list.push_back(id);
  return out.set("eos_token_id", std::move(list));
}

// --- the projector ---

struct Vision {
  int64_t image = 0, patch = 0, scale = 0;
  int64_t positions() const { return (image / patch) * (image / patch); }
};

Result<Vision> vision_of(const GgufMetadata& projector) {
  const Keys keys(projector, "clip.vision");
  Vision out;
  OCELLI_ASSIGN(out.image, keys.count("image_size"));
  OCELLI_ASSIGN(out.patch, keys.count("patch_size"));
  OCELLI_ASSIGN(out.scale, keys.count("projector.scale_factor"));
  const int64_t grid = out.image / out.patch;
  if (out.image > 8192 || grid < 1 || out.scale > grid || grid % out.scale != 0) {
    return bad("a vision tower for pictures of " + std::to_string(out.image) +
               " pixels in patches of " + std::to_string(out.patch) + ", " +
               std::to_string(out.scale) +
               " together, is not possible (clip.vision.image_size, "
               "patch_size, projector.scale_factor)");
  }
  return out;
}

Result<Json> vision_config(const GgufMetadata& projector) {
  const Keys keys(projector, "clip.vision");
  OCELLI_ASSIGN(const Vision vision, vision_of(projector));
  Json out = Json::object({{"model_type", "smolvlm_vision"},
                           {"image_size", vision.image},
                           {"patch_size", vision.patch}});
  // Configs of SmolVLM leave out how many layers there are and how wide their MLP is; the converter
  // then writes its own idea of it. The tensors know.
  for (const char* key : {"feed_forward_length", "block_count"}) {
    OCELLI_TRY(keys.count(key, 1));
  }
  const std::pair<const char*, const char*> counts[] = {
      {"embedding_length", "hidden_size"}, {"attention.head_count", "num_attention_heads"}};
  for (const auto& [key, name] : counts) {
    OCELLI_ASSIGN(const int64_t n, keys.count(key));
    out.set(name, n);
  }
  OCELLI_ASSIGN(const bool gelu, projector.boolean("clip.use_gelu", true));
  if (!gelu) return bad("clip.use_gelu false is not supported for this vision tower");
  constexpr char kEpsilon[] = "attention.layer_norm_epsilon";
  OCELLI_ASSIGN(const double eps, keys.positive(kEpsilon));
  OCELLI_TRY(check_epsilon(keys.key(kEpsilon), eps));
  // llama.cpp's converter writes 1e-5 where the model's own config is silent, which those of all
  // published SmolVLM are. What they were trained with is the default of their class, 1e-6, and
  // that is what a config that is silent gets here too.
  constexpr float kStandIn = 1e-5f;
  if (float(eps) != kStandIn) out.set("layer_norm_eps", eps);
  return out;
}

Result<Json> three_numbers(const GgufMetadata& projector, const char* key) {
  OCELLI_ASSIGN(const std::vector<double> numbers, projector.numbers(key, 3));
  if (numbers.size() != 3) return bad(std::string(key) + " must hold three numbers");
  Json out = Json::array();
  for (const double n : numbers) out.push_back(n);
  return out;
}

}  // namespace

Result<const GgufArchitecture*> gguf_architecture(const GgufMetadata& metadata) {
  OCELLI_ASSIGN(const std::string_view name, metadata.text("general.architecture"));
  std::string known;
  for (const GgufArchitecture& architecture : kArchitectures) {
    if (architecture.name == name) return &architecture;
    known += (known.empty() ? "" : ", ") + std::string(architecture.name);
  }
  if (name == "clip") {
    return bad(
        "general.architecture is clip: this is the picture half of a model (mmproj); give "
        "the text model, and this file with --mmproj");
  }
  return bad("general.architecture \"" + base::printable(name, 60) +
             "\" is not supported; supported are " + known);
}

Result<GgufHeads> gguf_heads(const GgufMetadata& text) {
  OCELLI_ASSIGN(const GgufArchitecture* architecture, gguf_architecture(text));
  const Keys keys(text, architecture->name);
  OCELLI_ASSIGN(const int64_t hidden, keys.count("embedding_length"));
  OCELLI_ASSIGN(const HeadShape heads, head_shape(keys, hidden));
  return GgufHeads{heads.q, heads.k};
}

Result<std::string> gguf_config_json(const GgufSources& sources) {
  OCELLI_ASSIGN(Json text, text_config(sources.text, sources.tied));
  if (!sources.projector) return text.dump();
  OCELLI_TRY(check_projector(sources.text, *sources.projector));
  OCELLI_ASSIGN(Json vision, vision_config(*sources.projector));
  OCELLI_ASSIGN(const Vision shape, vision_of(*sources.projector));
  OCELLI_ASSIGN(const auto image_id, gguf_token_id(sources.text, kImageToken));
  Json ends = *text.find("eos_token_id");
  return Json::object({{"model_type", "smolvlm"},
                       {"image_token_id", image_id.value_or(-1)},
                       {"scale_factor", shape.scale},
                       {"tie_word_embeddings", sources.tied},
                       {"eos_token_id", std::move(ends)},
                       {"text_config", std::move(text)},
                       {"vision_config", std::move(vision)}})
      .dump();
}

Result<std::string> gguf_generation_config(const GgufMetadata& text) {
  OCELLI_ASSIGN(const std::vector<int64_t> ends, gguf_end_ids(text));
  Json list = Json::array();
  for (const int64_t id : ends) list.push_back(id);
  return Json::object({{"eos_token_id", std::move(list)}}).dump();
}

Result<std::string> gguf_preprocessor_config(const GgufMetadata& projector) {
  OCELLI_ASSIGN(const Vision vision, vision_of(projector));
  OCELLI_ASSIGN(Json mean, three_numbers(projector, "clip.vision.image_mean"));
  OCELLI_ASSIGN(Json stddev, three_numbers(projector, "clip.vision.image_std"));
  // Files of before this key are of models whose pictures are cut into four by four tiles at most.
  constexpr int64_t kTilesPerSide = 4;
  OCELLI_ASSIGN(const int64_t edge, projector.integer("clip.vision.preproc_image_size", kCount,
                                                      vision.image * kTilesPerSide));
  OCELLI_ASSIGN(const bool split, projector.boolean(kGgufSplitKey, true));
  return Json::object({{"do_resize", true},
                       {"do_rescale", true},
                       {"do_normalize", true},
                       {"do_image_splitting", split},
                       {"image_mean", std::move(mean)},
                       {"image_std", std::move(stddev)},
                       {"max_image_size", Json::object({{"longest_edge", vision.image}})},
                       {"size", Json::object({{"longest_edge", edge}})},
                       {"resample", 1}})
      .dump();
}

Result<std::string> gguf_processor_config(const GgufMetadata& projector) {
  OCELLI_ASSIGN(const Vision vision, vision_of(projector));
  return Json::object({{"image_seq_len", vision.positions() / (vision.scale * vision.scale)}})
      .dump();
}

bool takes_pictures(const GgufMetadata& text) {
  const auto id = gguf_token_id(text, kImageToken);
  return id.ok() && id->has_value();
}

Status check_projector(const GgufMetadata& text, const GgufMetadata& projector) {
  OCELLI_ASSIGN(const std::string_view kind, projector.text("general.architecture"));
  if (kind != "clip") {
    return bad("general.architecture is \"" + base::printable(kind, 60) +
               "\" but that of the picture half of a model (mmproj) is clip");
  }
  const char* key =
      projector.has("clip.projector_type") ? "clip.projector_type" : "clip.vision.projector_type";
  OCELLI_ASSIGN(const std::string_view type, projector.text(key));
  if (type != kProjectorType) {
    return bad(std::string(key) + " \"" + base::printable(type, 60) +
               "\" is not supported; idefics3 (SmolVLM) is");
  }
  OCELLI_ASSIGN(const GgufArchitecture* architecture, gguf_architecture(text));
  if (architecture->model_type != "llama") {
    return bad(
        "a vision tower of type idefics3 belongs to a text model of architecture llama, "
        "not to " +
        std::string(architecture->name));
  }
  OCELLI_ASSIGN(const int64_t width, Keys(text, architecture->name).count("embedding_length"));
  OCELLI_ASSIGN(const int64_t own, projector.integer("clip.vision.projection_dim", kCount));
  if (own != width) {
    return bad("clip.vision.projection_dim (" + std::to_string(own) +
               ") is not the width of the text model (" + std::to_string(width) +
               "); the vision tower belongs to another model");
  }
  if (takes_pictures(text)) return {};
  return bad("the text model has no token " + std::string(kImageToken) +
             ", so that it takes no pictures; the vision tower belongs to another model");
}

}  // namespace ocelli::formats
