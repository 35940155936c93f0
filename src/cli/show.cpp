// ocelli show: what a model is.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/command.h"
#include "cli/engine_options.h"
#include "cli/target.h"
#include "cli/terminal.h"

namespace ocelli::cli {
namespace {

using base::Json;
using base::Result;

struct ShowFlags {
  EngineFlags engine;
  std::string word;
  bool json = false, tensors = false;
};

Json shape_json(std::span<const int64_t> shape) {
  Json out = Json::array();
  for (const int64_t n : shape) out.push_back(n);
  return out;
}

Json describe(const engine::Engine& e, bool tensors) {
  const models::ModelInfo& info = e.info();
  const models::LoadedModel& loaded = e.loaded();
  Json stops = Json::array();
  for (const int32_t id : e.stop_ids()) stops.push_back(std::string(e.tokenizer().token(id)));
  Json out = Json::object(
      {{"name", e.name()},
       {"family", info.family},
       {"parameters", loaded.parameters},
       {"weights_bytes", loaded.mapped_bytes + loaded.storage_bytes},
       {"context", info.context},
       {"vocabulary", info.vocab},
       {"tokens", int64_t(e.tokenizer().vocab_size())},
       {"hidden", info.hidden},
       {"layers", info.kv.layers},
       {"kv_heads", info.kv.kv_heads},
       {"head_dim", info.kv.head_dim},
       {"cache_bytes_per_token", nn::KvCache::bytes_per_token(info.kv, e.options().cache_dtype)},
       {"chat_template", e.has_template()},
       {"stop_tokens", std::move(stops)}});
  if (info.vision) {
    out.set("vision", Json::object({{"tile", info.vision->tile},
                                    {"tokens_per_tile", info.vision->tokens_per_tile}}));
  }
  Json unused = Json::array();
  for (const std::string& name : loaded.unused) unused.push_back(name);
  out.set("unused_tensors", std::move(unused));
  if (!tensors) return out;
  Json list = Json::array();
  for (const formats::TensorInfo& t : loaded.checkpoint.tensors()) {
    list.push_back(
        Json::object({{"name", t.name}, {"dtype", t.dtype}, {"shape", shape_json(t.shape)}}));
  }
  return out.set("tensors", std::move(list));
}

std::string as_text(const Json& json) {
  std::string out;
  for (const auto& [key, value] : json.members()) {
    if (key == "tensors" || (value.is_array() && value.size() == 0)) continue;
    std::string text = value.is_string() ? value.as_string() : value.dump();
    if (value.is_int()) {
      text = key.ends_with("_bytes") || key.starts_with("cache_bytes") ? bytes_text(value.as_int())
                                                                       : count_text(value.as_int());
    }
    out += label_text(key, 24) + base::printable(text, 400) + "\n";
  }
  if (const Json* tensors = json.find("tensors")) {
    for (const Json& t : tensors->items()) {
      out += t.find("dtype")->as_string() + "\t" + t.find("shape")->dump() + "\t" +
             base::printable(t.find("name")->as_string()) + "\n";
    }
  }
  return out;
}

Result<int> show(ShowFlags& flags) {
  OCELLI_ASSIGN(const std::string path,
                resolve_model(flags.word.empty() ? flags.engine.model : flags.word));
  flags.engine.quiet = flags.engine.quiet || path.empty();
  OCELLI_ASSIGN(const OpenEngine open, open_engine(path, flags.engine));
  const Json json = describe(*open.engine, flags.tensors);
  OCELLI_TRY(print(flags.json ? json.dump(2) + "\n" : as_text(json)));
  return 0;
}

}  // namespace

Run make_show(CLI::App& app) {
  auto flags = std::make_shared<ShowFlags>();
  app.description("What a model is.\n\n  ocelli show ./SmolVLM2-256M-Video-Instruct --tensors");
  app.add_option("model", flags->word, "[MODEL]");
  app.add_flag("--json", flags->json, "as one JSON object");
  app.add_flag("--tensors", flags->tensors, "list every tensor of the file");
  flags->engine.add(app);
  return [flags](Session&) { return show(*flags); };
}

}  // namespace ocelli::cli
