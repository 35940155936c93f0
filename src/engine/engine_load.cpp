// Loading an engine: config, weights, tokenizer, template, picture processor.
#include <algorithm>

#include "backend/cpu/cpu_backend.h"
#include "base/advice.h"
#include "base/clock.h"
#include "base/memory.h"
#include "engine/dry_run.h"
#include "engine/engine.h"
#include "models/config.h"
#include "models/registry.h"
#include "models/template_files.h"

namespace ocelli::engine {

using base::Code;
using base::Json;
using base::Result;
using base::Status;
using formats::ModelFolder;

namespace {

constexpr int64_t kMaxPrefillChunk = 1 << 16;

// A JSON file of the folder; null where there is none.
Result<Json> read_json(const ModelFolder& folder, const std::string& name) {
  OCELLI_ASSIGN(const std::optional<std::string> text, folder.text(name, models::kMaxConfigBytes));
  if (!text) return Json();
  auto json = std::move(Json::parse(*text, {.max_bytes = models::kMaxConfigBytes})).in(name);
  if (json.ok() && !json->is_object())
    json = base::fail(Code::kBadInput, "must be a JSON object", name);
  return with_advice(std::move(json), base::kFileAdvice);
}

// Keys that make other programs run code from the model's folder. We have no such thing.
std::vector<std::string> warn_of_code(const Json& config) {
  std::vector<std::string> out;
  for (const char* key : {"auto_map", "trust_remote_code", "custom_pipelines"}) {
    const Json* value = config.find(key);
    if (!value || value->is_null() || (value->is_bool() && !value->as_bool())) continue;
    out.push_back("config.json: \"" + std::string(key) +
                  "\" names code of the model's author; it is ignored, nothing of it runs");
  }
  return out;
}

// A special token in tokenizer_config.json: text, or an object with "content".
std::string token_text(const Json& config, std::string_view key) {
  const Json* value = config.find(key);
  if (value && value->is_object()) value = value->find("content");
  return value && value->is_string() ? value->as_string() : std::string();
}

}  // namespace

Status Engine::load_text(const ModelFolder& folder) {
  OCELLI_ASSIGN(const std::optional<std::string> json,
                folder.text("tokenizer.json", text::kMaxTokenizerBytes));
  if (!json) {
    return base::fail(Code::kBadInput,
                      "tokenizer.json is missing; it is part of the model's download", name_);
  }
  OCELLI_ASSIGN(tokenizer_, text::Tokenizer::parse(*json));
  if (tokenizer_->id_limit() > info().vocab) {
    return base::fail(Code::kBadInput,
                      "the embedding has " + std::to_string(info().vocab) +
                          " rows, the tokenizer " + std::to_string(tokenizer_->id_limit()) +
                          " tokens; they belong to different models",
                      name_);
  }
  OCELLI_ASSIGN(const Json config, read_json(folder, "tokenizer_config.json"));
  OCELLI_ASSIGN(const text::TemplateFiles files, models::read_template_files(folder));
  OCELLI_ASSIGN(const std::optional<std::string> source, text::choose_template(files));
  if (source) {
    OCELLI_ASSIGN(template_, text::ChatTemplate::parse(*source));
    OCELLI_ASSIGN(const std::optional<std::string> with_tools, text::choose_template(files, true));
    template_source_ = *source;
    if (with_tools && with_tools != source) {
      OCELLI_ASSIGN(tool_template_, text::ChatTemplate::parse(*with_tools));
      template_source_ += *with_tools;
    }
  }
  render_.add_generation_prompt = true;
  render_.bos_token = token_text(config, "bos_token");
  render_.eos_token = token_text(config, "eos_token");
  return {};
}

Status Engine::load_processor(const ModelFolder& folder, const Json& config) {
  OCELLI_ASSIGN(const models::Family* family, models::find_family(config));
  if (!family->make_processor || !info().vision) return {};
  OCELLI_ASSIGN(Json preprocessor, read_json(folder, "preprocessor_config.json"));
  OCELLI_ASSIGN(const Json processor, read_json(folder, "processor_config.json"));
  if (preprocessor.is_null()) {
    return base::fail(Code::kBadInput,
                      "preprocessor_config.json is missing; it says how pictures are cut", name_);
  }
  if (options_.split_images) preprocessor.set("do_image_splitting", *options_.split_images);
  OCELLI_ASSIGN(
      processor_,
      with_advice(
          std::move(family->make_processor(preprocessor, processor)).in("preprocessor_config.json"),
          base::kFileAdvice));
  const models::TilePlan plan = processor_->plan(64, 64);
  if (plan.side != info().vision->tile) {
    return base::fail(Code::kBadInput,
                      "tiles of " + std::to_string(plan.side) +
                          " pixels do not fit the tower, which takes " +
                          std::to_string(info().vision->tile) + "; they belong to different models",
                      "preprocessor_config.json");
  }
  OCELLI_TRY(check_picture_tokens());
  return load_video_processor(folder, *family, preprocessor, processor);
}

// As the original: a part of processor_config.json, a file of its own, or the one of pictures.
Status Engine::load_video_processor(const ModelFolder& folder, const models::Family& family,
                                    const Json& preprocessor, const Json& processor) {
  if (!family.make_video_processor) return {};
  OCELLI_ASSIGN(Json video, read_json(folder, "video_preprocessor_config.json"));
  std::string place = "video_preprocessor_config.json";
  const Json* nested = processor.find("video_processor");
  if (nested && nested->is_object()) {
    video = *nested;
    place = "processor_config.json";
  } else if (video.is_null()) {
    video = preprocessor;
    place = "preprocessor_config.json";
  }
  OCELLI_ASSIGN(video_processor_,
                with_advice(std::move(family.make_video_processor(video, processor)).in(place),
                            base::kFileAdvice));
  if (video_processor_->side() != info().vision->tile) {
    return base::fail(Code::kBadInput,
                      "frames of " + std::to_string(video_processor_->side()) +
                          " pixels do not fit the tower, which takes " +
                          std::to_string(info().vision->tile) + "; they belong to different models",
                      place);
  }
  const std::string source(video_processor_->chat_template());
  if (!source.empty()) {
    OCELLI_ASSIGN(video_template_, text::ChatTemplate::parse(source));
  }
  return {};
}

// The tokens that stand for a picture must be the model's, in name and number.
Status Engine::check_picture_tokens() const {
  const models::VisionInfo& vision = *info().vision;
  const std::string marker(processor_->marker());
  const std::optional<int32_t> id = tokenizer_->id_of(marker);
  if (id != vision.image_token_id) {
    return base::fail(
        Code::kBadInput,
        "the tokenizer " +
            (id ? "calls " + marker + " " + std::to_string(*id) : "has no token " + marker) +
            " but the image_token_id of config.json is " + std::to_string(vision.image_token_id) +
            "; they belong to different models",
        name_);
  }
  const models::TilePlan one{0, 0, int(vision.tile), int(vision.tile), 1, int(vision.tile)};
  const std::string prompt = processor_->prompt(one);
  int64_t tokens = 0;
  for (size_t at = 0; (at = prompt.find(marker, at)) != std::string::npos; at += marker.size())
    ++tokens;
  if (tokens != vision.tokens_per_tile) {
    return base::fail(
        Code::kBadInput,
        "image_seq_len (" + std::to_string(tokens) + ") is not what the model makes of a tile (" +
            std::to_string(vision.tokens_per_tile) + "); they belong to different models",
        "processor_config.json");
  }
  return {};
}

// As the options say. A tile costs its pixels, its embeddings and its place in the cache.
Status Engine::limit_tiles() {
  if (options_.max_tiles && *options_.max_tiles < 1) {
    return base::fail(Code::kUsage, "the most tiles of a picture must be 1 or more (" +
                                        std::to_string(*options_.max_tiles) + ")");
  }
  if (!processor_) return {};
  int64_t most = options_.max_tiles.value_or(0);
  if (options_.fit_tiles) {
    const models::VisionInfo& vision = *info().vision;
    const nn::KvShape& kv = info().kv;
    const int64_t token =
        nn::KvCache::bytes_per_token(kv, cache_dtype()) + info().hidden * int64_t(sizeof(float));
    const int64_t tile = vision.tokens_per_tile * token + 3 * vision.tile * vision.tile;
    const int64_t fits = std::max<int64_t>(
        1, std::min(context_ / 2 / vision.tokens_per_tile,
                    base::system_memory().available / 2 / std::max<int64_t>(tile, 1)));
    most = most > 0 ? std::min(most, fits) : fits;
  }
  processor_->limit_tiles(most);
  return {};
}

Result<std::unique_ptr<Engine>> Engine::load(ModelFolder folder, const EngineOptions& options) {
  const base::Stopwatch watch;
  if (options.prefill_chunk < 1 || options.prefill_chunk > kMaxPrefillChunk) {
    return base::fail(Code::kUsage, "the prefill chunk must be from 1 to " +
                                        std::to_string(kMaxPrefillChunk) + " tokens (" +
                                        std::to_string(options.prefill_chunk) + ")");
  }
  OCELLI_ASSIGN(tensor::Arena arena, tensor::Arena::create());
  std::unique_ptr<Engine> engine(new Engine(options, std::move(arena)));
  engine->name_ = folder.name();
  OCELLI_ASSIGN(engine->backend_, cpu::make_cpu_backend());
  OCELLI_ASSIGN(const Json config, read_json(folder, "config.json"));
  if (config.is_null()) {
    return base::fail(Code::kBadInput,
                      "config.json is missing; a model folder has config.json, tokenizer.json and "
                      "model.safetensors",
                      folder.name());
  }
  engine->config_text_ = config.dump();
  engine->warnings_ = warn_of_code(config);
  OCELLI_ASSIGN(formats::Checkpoint checkpoint, folder.weights());
  OCELLI_ASSIGN(engine->loaded_,
                models::load_model(config, std::move(checkpoint), engine->pool_,
                                   {options.weights, engine->pack_for(), options.progress}));
  OCELLI_TRY(engine->load_text(folder));
  OCELLI_TRY(engine->load_processor(folder, config));

  const models::ModelInfo& info = engine->info();
  engine->stop_ids_ = info.eos_ids;
  OCELLI_ASSIGN(const Json generation, read_json(folder, "generation_config.json"));
  OCELLI_ASSIGN(
      const std::vector<int32_t> stops,
      with_advice(models::read_eos_ids(generation, info.vocab).in("generation_config.json"),
                  base::kFileAdvice));
  if (!stops.empty()) engine->stop_ids_ = stops;
  if (options.context < 0 || options.context > models::kMaxContext) {
    return base::fail(Code::kUsage, "the context must be from 1 to " +
                                        std::to_string(models::kMaxContext) + " tokens (" +
                                        std::to_string(options.context) + ")");
  }
  if (options.cache_dtype == tensor::DType::kQ80 && !nn::KvCache::holds_q8_0(info.kv)) {
    return base::fail(Code::kUsage,
                      "keys and values in q8_0 need heads of a multiple of 32 numbers (" +
                          std::to_string(info.kv.head_dim) + "); take f16",
                      engine->name());
  }
  if (info.vision) {
    OCELLI_ASSIGN(engine->vision_bytes_per_tile_, vision_bytes_per_tile(*engine));
    if (!options.disk_cache.empty())
      engine->disk_cache_.emplace(DiskCacheOptions{options.disk_cache, options.disk_cache_bytes});
  }
  OCELLI_TRY(engine->set_adapters(options.adapters));
  engine->context_ = options.context > 0 ? options.context : info.context;
  OCELLI_TRY(engine->limit_tiles());
  OCELLI_TRY(engine->fit_memory());
  engine->load_seconds_ = watch.seconds();
  return engine;
}

}  // namespace ocelli::engine
