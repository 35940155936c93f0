// ocelli show: what a model is.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <map>

#include "base/file.h"
#include "cli/command.h"
#include "cli/engine_options.h"
#include "cli/target.h"
#include "cli/terminal.h"
#include "formats/safetensors.h"
#include "models/adapter.h"
#include "models/config.h"
#include "quantize/certificate.h"

namespace ocelli::cli {
namespace {

using base::Json;
using base::Result;

struct ShowFlags {
  EngineFlags engine;
  std::string word;
  bool json = false, tensors = false, metadata = false, chat_template = false;
};

Json shape_json(std::span<const int64_t> shape) {
  Json out = Json::array();
  for (const int64_t n : shape) out.push_back(n);
  return out;
}

// Bytes of each dtype.
Json dtypes_json(const formats::Checkpoint& checkpoint) {
  std::map<std::string, int64_t> bytes;
  for (const formats::TensorInfo& t : checkpoint.tensors()) {
    bytes[t.dtype] += int64_t(t.bytes.size());
  }
  Json out = Json::object();
  for (const auto& [dtype, n] : bytes) out.set(dtype, n);
  return out;
}

void add_details(const ShowFlags& flags, const engine::Engine& e, Json& out) {
  const formats::Checkpoint& checkpoint = e.loaded().checkpoint;
  if (flags.metadata) {
    Json list = Json::object();
    for (const auto& [key, value] : checkpoint.metadata()) list.set(key, value);
    out.set("metadata", std::move(list));
  }
  if (flags.chat_template) out.set("template", e.template_source());
  if (!flags.tensors) return;
  Json list = Json::array();
  for (const formats::TensorInfo& t : checkpoint.tensors()) {
    list.push_back(
        Json::object({{"name", t.name}, {"dtype", t.dtype}, {"shape", shape_json(t.shape)}}));
  }
  out.set("tensors", std::move(list));
}

Json describe(const engine::Engine& e, const ShowFlags& flags) {
  const models::ModelInfo& info = e.info();
  const models::LoadedModel& loaded = e.loaded();
  Json stops = Json::array();
  for (const int32_t id : e.stop_ids()) stops.push_back(std::string(e.tokenizer().token(id)));
  Json out = Json::object(
      {{"name", e.name()},
       {"format", loaded.checkpoint.format()},
       {"family", info.family},
       {"parameters", loaded.parameters},
       {"dtypes", dtypes_json(loaded.checkpoint)},
       {"weights_bytes", loaded.mapped_bytes + loaded.storage_bytes},
       {"context", info.context},
       {"vocabulary", info.vocab},
       {"tokens", int64_t(e.tokenizer().vocab_size())},
       {"hidden", info.hidden},
       {"layers", info.kv.layers},
       {"kv_heads", info.kv.kv_heads},
       {"head_dim", info.kv.head_dim},
       {"cache_bytes_per_token", nn::KvCache::bytes_per_token(info.kv, e.cache_dtype())},
       {"chat_template", e.has_template()},
       {"stop_tokens", std::move(stops)}});
  if (info.vision) {
    out.set("vision", Json::object({{"tile", info.vision->tile},
                                    {"tokens_per_tile", info.vision->tokens_per_tile}}));
  }
  Json unused = Json::array();
  for (const std::string& name : loaded.unused) unused.push_back(name);
  out.set("unused_tensors", std::move(unused));
  add_details(flags, e, out);
  return out;
}

// "BF16 1.0 MiB, F32 12 KiB"
std::string dtypes_text(const Json& dtypes) {
  std::string out;
  for (const auto& [dtype, bytes] : dtypes.members()) {
    out += (out.empty() ? "" : ", ") + base::printable(dtype) + " " + bytes_text(bytes.as_int());
  }
  return out;
}

// Line by line, so that nothing in a foreign text reaches the terminal as a command.
std::string lines_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    out += base::printable(line, line.size()) + "\n";
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return out;
}

std::string as_text(const Json& json) {
  std::string out;
  for (const auto& [key, value] : json.members()) {
    if (key == "tensors" || key == "metadata" || key == "template" ||
        (value.is_array() && value.size() == 0))
      continue;
    std::string text = value.is_string() ? value.as_string() : value.dump();
    if (value.is_int()) {
      text = key.ends_with("_bytes") || key.starts_with("cache_bytes") ? bytes_text(value.as_int())
                                                                       : count_text(value.as_int());
    }
    if (key == "dtypes") text = dtypes_text(value);
    out += label_text(key, 24) + base::printable(text, 400) + "\n";
  }
  if (const Json* metadata = json.find("metadata")) {
    for (const auto& [key, value] : metadata->members()) {
      out += base::printable(key) + "\t" + base::printable(value.as_string()) + "\n";
    }
  }
  if (const Json* text = json.find("template")) out += lines_text(text->as_string());
  if (const Json* tensors = json.find("tensors")) {
    for (const Json& t : tensors->items()) {
      out += t.find("dtype")->as_string() + "\t" + t.find("shape")->dump() + "\t" +
             base::printable(t.find("name")->as_string()) + "\n";
    }
  }
  return out;
}

bool is_adapter(const std::string& path) {
  std::error_code ignored;
  return !path.empty() &&
         std::filesystem::is_regular_file(path + "/" + models::kAdapterConfigFile, ignored);
}

// A PEFT folder, without the model that it is for.
Result<Json> describe_adapter(const std::string& path, const ShowFlags& flags) {
  const std::string config_path = path + "/" + models::kAdapterConfigFile;
  OCELLI_ASSIGN(const std::string text, base::read_file(config_path, models::kMaxConfigBytes));
  OCELLI_ASSIGN(const Json json,
                Json::parse(text, {.max_bytes = models::kMaxConfigBytes, .max_values = 100'000})
                    .in(config_path));
  OCELLI_ASSIGN(const models::AdapterConfig config,
                models::AdapterConfig::parse(json).in(config_path));
  OCELLI_ASSIGN(const auto file,
                formats::SafetensorsFile::open(path + "/" + models::kAdapterWeightsFile));
  int64_t parameters = 0;
  Json tensors = Json::array();
  for (const formats::TensorInfo& t : file.tensors()) {
    int64_t count = 1;
    for (const int64_t n : t.shape) count *= n;
    parameters += count;
    tensors.push_back(
        Json::object({{"name", t.name}, {"dtype", t.dtype}, {"shape", shape_json(t.shape)}}));
  }
  Json out = Json::object({{"adapter", config.use_dora ? "DoRA" : "LoRA"},
                           {"base_model", config.base_model_name_or_path},
                           {"rank", config.r},
                           {"alpha", config.lora_alpha},
                           {"scale", config.scale(config.lora_alpha, config.r)},
                           {"dropout", config.lora_dropout},
                           {"target_modules", config.target_modules.json()},
                           {"parameters", parameters},
                           {"file_tensors", int64_t(file.tensors().size())}});
  for (const char* key : {"modules_to_save", "rank_pattern", "alpha_pattern", "exclude_modules"})
    if (const Json* value = json.find(key); value && value->size() > 0) out.set(key, *value);
  if (flags.metadata) {
    Json list = Json::object();
    for (const auto& [key, value] : file.metadata()) list.set(key, value);
    out.set("metadata", std::move(list));
  }
  if (flags.tensors) out.set("tensors", std::move(tensors));
  return out;
}

Result<int> show(ShowFlags& flags) {
  const std::string& word = flags.word.empty() ? flags.engine.model : flags.word;
  if (is_adapter(word)) {
    OCELLI_ASSIGN(const Json json, describe_adapter(word, flags));
    OCELLI_TRY(print(flags.json ? json.dump(2) + "\n" : as_text(json)));
    return 0;
  }
  OCELLI_ASSIGN(const std::string path,
                resolve_model(flags.word.empty() ? flags.engine.model : flags.word));
  flags.engine.quiet = flags.engine.quiet || path.empty();
  OCELLI_ASSIGN(const OpenEngine open, open_engine(path, flags.engine));
  Json json = describe(*open.engine, flags);
  OCELLI_ASSIGN(const formats::ModelFolder folder, open_model(path, flags.engine.mmproj));
  OCELLI_ASSIGN(const Json stored, quantize::stored_certificate(folder));
  if (const Json* recipe = stored.find("recipe"); recipe && recipe->is_string())
    json.set("quantized", *recipe);
  if (const std::string loss = quantize::loss_text(stored); !loss.empty()) json.set("loss", loss);
  OCELLI_TRY(print(flags.json ? json.dump(2) + "\n" : as_text(json)));
  return 0;
}

}  // namespace

Run make_show(CLI::App& app) {
  auto flags = std::make_shared<ShowFlags>();
  app.description(
      "What a model or an adapter is.\n\n  ocelli show ./SmolVLM2-256M-Video-Instruct --tensors");
  app.add_option("model", flags->word, "[MODEL], or the folder of an adapter");
  app.add_flag("--json", flags->json, "as one JSON object");
  app.add_flag("--metadata", flags->metadata, "what the file says about itself");
  app.add_flag("--template", flags->chat_template, "the chat template");
  app.add_flag("--tensors", flags->tensors, "list every tensor of the file");
  flags->engine.add(app);
  return [flags](Session&) { return show(*flags); };
}

}  // namespace ocelli::cli
