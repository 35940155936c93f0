#include "cli/engine_options.h"

#include <CLI/CLI.hpp>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "base/advice.h"
#include "cli/target.h"
#include "cli/terminal.h"
#include "cli/weights_cache.h"
#include "engine/builtin.h"

namespace ocelli::cli {

using base::Code;
using base::Json;
using base::Result;

void EngineFlags::add(CLI::App& app) {
  app.option_defaults()->group("Model and machine");
  app.add_option("-m,--model", model,
                 "a name in the store, a folder or a .gguf file (default: the built-in model)")
      ->type_name("MODEL");
  app.add_option("--mmproj", mmproj,
                 "the vision tower of a .gguf model (default: found beside it), or none")
      ->type_name("FILE");
  app.add_option("-t,--threads", threads,
                 "threads (default: what the machine and its limits allow)")
      ->type_name("N")
      ->check(CLI::Range(1, base::kMaxThreads));
  app.add_option("-c,--ctx-size,--context", context,
                 "most tokens of prompt and answer (default: the model's)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 22));
  app.add_option("--weights", weights,
                 "convert weights while loading: f32, bf16, f16, q8, q4 (text in 4 bits, pictures "
                 "in 8), q8_0, q4_0")
      ->type_name("TYPE");
  app.add_flag("--no-weights-cache", no_weights_cache,
               "convert anew at each start instead of keeping q8 and q4 weights on disk");
  app.add_option("--cache-type", cache_type,
                 "numbers of the key/value cache: f16, f32, q8_0 (half the memory of f16; default: "
                 "f16, or q8_0 where --memory asks for it)")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"f16", "f32", "q8_0"}));
  app.add_flag("--exact", exact, "float32 arithmetic throughout, as the original in float32");
  app.add_flag("--no-split", no_split,
               "one view per picture instead of tiles: faster, less detail");
  app.add_option("--max-tiles", max_tiles,
                 "most tiles of a picture, the view of the whole among them: smaller pictures")
      ->type_name("N")
      ->check(CLI::Range(1, 4097));
  app.add_option("--detail", detail,
                 "of pictures: low (one view, as --no-split), high (the model's own tiles), auto "
                 "(high, but no more than --max-tiles, context and memory allow)")
      ->type_name("HOW")
      ->check(CLI::IsMember({"low", "high", "auto"}));
  app.add_option("--alpha", alpha, "transparent pictures: drop (as the original) or white")
      ->type_name("HOW")
      ->check(CLI::IsMember({"drop", "white"}));
  app.add_option("--fps", fps, "videos: frames a second to look at (default: the model's)")
      ->type_name("N")
      ->check(CLI::Range(0.001, 1000.0));
  app.add_option("--max-frames", max_frames,
                 "videos: most frames to look at (default: the model's)")
      ->type_name("N")
      ->check(CLI::Range(size_t{1}, media::kMaxSampledFrames));
  app.add_option("--adapter,--lora", adapters,
                 "a PEFT adapter's folder, perhaps with a weight (may be given several times)")
      ->type_name("DIR[=W]")
      ->allow_extra_args(false);
  app.add_option("--lora-scaled", scaled_adapters, "the same as llama.cpp writes it")
      ->type_name("DIR:W")
      ->allow_extra_args(false);
  app.add_flag("--force-adapter", force_adapter,
               "use adapters that were made for other weights of the model");
  app.add_flag("-q,--quiet", quiet, "no notes and no progress on stderr");
  app.option_defaults()->group("Options");
}

void EngineFlags::add_memory(CLI::App& app) {
  app.option_defaults()->group("Model and machine");
  app.add_option("--memory", memory,
                 "most memory to take, as 800M or 2 (GiB): fewer tiles and tokens at a time, a "
                 "shorter context where -c does not ask for one; or an error with numbers")
      ->type_name("SIZE");
  app.option_defaults()->group("Options");
}

void EngineFlags::add_cache(CLI::App& app) {
  takes_cache = true;
  app.option_defaults()->group("Model and machine");
  app.add_flag("--no-cache", no_cache,
               "keep nothing of pictures on disk, and look for nothing there (or set "
               "OCELLI_NO_CACHE)");
  app.add_option("--cache-size", cache_size,
                 "most that pictures may take on disk, as 500M or 4G (default 4G; 0: nothing)")
      ->type_name("SIZE")
      ->transform(CLI::AsSizeValue(false));
  app.option_defaults()->group("Options");
}

bool cache_forbidden() {
  const char* const off = std::getenv("OCELLI_NO_CACHE");
  return off && *off;
}

bool EngineFlags::keeps_pictures() const {
  return takes_cache && !no_cache && cache_size > 0 && !cache_forbidden();
}

// As --memory of train takes it, too: a number alone counts GiB.
Result<int64_t> parse_memory(const std::string& text) {
  constexpr std::string_view kUnits = "kmgt";
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  std::string unit(rest, end);
  for (char& c : unit) c = char(std::tolower(uint8_t(c)));
  if (unit.ends_with("ib")) unit.resize(unit.size() - 2);
  if (unit.ends_with("b")) unit.pop_back();
  const size_t power = unit.empty() ? 2 : unit.size() == 1 ? kUnits.find(unit[0]) : kUnits.npos;
  const double bytes = std::ldexp(number, 10 * (int(power) + 1));
  if (error == std::errc() && power != kUnits.npos && bytes >= 1 && bytes <= 0x1p60) {
    return int64_t(bytes);
  }
  return base::fail(Code::kUsage,
                    "\"" + base::printable(text, 40) + "\" is no size like 800M, 2G or 2 (GiB)",
                    "--memory");
}

Result<engine::EngineOptions> EngineFlags::options() const {
  engine::EngineOptions o;
  o.threads = threads;
  o.context = context;
  o.exact = exact;
  o.packed = packed;
  if (memory) {
    OCELLI_ASSIGN(o.memory, parse_memory(*memory));
  }
  if (cache_type == "f32") o.cache_dtype = tensor::DType::kF32;
  if (cache_type == "f16") o.cache_dtype = tensor::DType::kF16;
  if (cache_type == "q8_0") o.cache_dtype = tensor::DType::kQ80;
  if (detail == "high" && (no_split || max_tiles)) {
    return base::fail(Code::kUsage,
                      "is all that the model can see; leave out --no-split and --max-tiles, or "
                      "take --detail auto",
                      "--detail high");
  }
  if (no_split || detail == "low") o.split_images = false;
  o.max_tiles = max_tiles;
  o.fit_tiles = detail == "auto";
  if (keeps_pictures()) {
    o.disk_cache = cache_folder;
    // Without a home there is nowhere to keep them.
    if (const auto folder = engine::DiskCache::default_folder();
        cache_folder.empty() && folder.ok())
      o.disk_cache = *folder;
  }
  o.disk_cache_bytes = cache_size;
  o.video_sampling = {fps, max_frames};
  OCELLI_ASSIGN(o.adapters, adapter_uses());
  if (alpha == "white") o.decode_options.alpha = media::Alpha::kWhite;
  if (!weights.empty()) {
    o.weights = encoding::from_name(weights);
    if (!o.weights || !encoding::can_encode(*o.weights)) {
      return base::fail(
          Code::kUsage,
          "\"" + base::printable(weights, 40) +
              "\" is nothing to convert to; f32, bf16, f16, q8, q4, q8_0 and q4_0 are",
          "--weights");
    }
  }
  return o;
}

namespace {

// visit(name, member) for each flag that decides numbers.
template <class Visit>
void for_deciding(Visit&& visit) {
  using F = EngineFlags;
  visit("mmproj", &F::mmproj);
  visit("context", &F::context);
  visit("weights", &F::weights);
  visit("no_split", &F::no_split);
  visit("max_tiles", &F::max_tiles);
  visit("detail", &F::detail);
  visit("alpha", &F::alpha);
  visit("fps", &F::fps);
  visit("max_frames", &F::max_frames);
  visit("adapters", &F::adapters);
  visit("scaled_adapters", &F::scaled_adapters);
}

Json flag_json(const std::vector<std::string>& list) {
  Json out = Json::array();
  for (const std::string& item : list) out.push_back(item);
  return out;
}
template <class T>
Json flag_json(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}
template <class T>
Json flag_json(const T& value) {
  return Json(value);
}

bool read_flag(const Json& json, bool& out) {
  if (json.is_bool()) out = json.as_bool();
  return json.is_bool();
}
bool read_flag(const Json& json, int64_t& out) {
  if (json.is_int()) out = json.as_int();
  return json.is_int();
}
bool read_flag(const Json& json, double& out) {
  if (json.is_number()) out = json.as_double();
  return json.is_number();
}
bool read_flag(const Json& json, std::string& out) {
  if (json.is_string()) out = json.as_string();
  return json.is_string();
}
template <class T>
bool read_flag(const Json& json, std::optional<T>& out) {
  return read_flag(json, out.emplace());
}
bool read_flag(const Json& json, std::vector<std::string>& out) {
  out.clear();
  if (!json.is_array()) return false;
  for (const Json& item : json.items()) {
    if (!read_flag(item, out.emplace_back())) return false;
  }
  return true;
}

}  // namespace

Json deciding(const EngineFlags& flags) {
  const EngineFlags plain;
  Json out = Json::object();
  for_deciding([&](const char* name, auto member) {
    if (flags.*member != plain.*member) out.set(name, flag_json(flags.*member));
  });
  return out;
}

base::Status take_deciding(const Json& options, EngineFlags& flags) {
  const EngineFlags plain;
  for (const Json::Member& option : options.members()) {
    const std::string& name = option.first;
    const Json& value = option.second;
    bool known = false, read = true;
    for_deciding([&](const char* own, auto member) {
      if (name != own) return;
      known = true;
      EngineFlags scratch;
      read = read_flag(value, scratch.*member);
      if (read && flags.*member == plain.*member) flags.*member = scratch.*member;
    });
    if (!known || !read) {
      return base::fail(
          Code::kUsage,
          known ? "is not what this option takes" : "is no option of loading a model; leave it out",
          "engine." + base::printable(name, 40));
    }
  }
  return {};
}

// The last sign divides, unless the whole text is a folder's name.
Result<engine::AdapterUse> parse_adapter(const std::string& text, char sign) {
  engine::AdapterUse use{text};
  const size_t at = text.rfind(sign);
  std::error_code ignored;
  if (at == std::string::npos || std::filesystem::exists(text, ignored)) return use;
  use.folder = text.substr(0, at);
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + at + 1, end, use.weight);
  if (error != std::errc() || rest != end || !(std::abs(use.weight) <= models::kMaxAdapterWeight)) {
    return base::fail(Code::kUsage,
                      "the weight of an adapter must be a number from -" +
                          std::to_string(int(models::kMaxAdapterWeight)) + " to " +
                          std::to_string(int(models::kMaxAdapterWeight)) + " (" +
                          base::printable(text.substr(at + 1), 40) + ")",
                      "--adapter");
  }
  return use;
}

Result<std::vector<engine::AdapterUse>> EngineFlags::adapter_uses() const {
  std::vector<engine::AdapterUse> out;
  for (const auto& [list, sign] : {std::pair(&adapters, '='), std::pair(&scaled_adapters, ':')}) {
    for (const std::string& text : *list) {
      OCELLI_ASSIGN(engine::AdapterUse use, parse_adapter(text, sign));
      use.force = force_adapter;
      out.push_back(std::move(use));
    }
  }
  return out;
}

OpenEngine::~OpenEngine() {
  const engine::DiskCache* const cache = engine ? engine->disk_cache() : nullptr;
  if (!cache || quiet) return;
  const std::string problem = cache->problem();
  if (!problem.empty()) note("pictures are not kept on disk: " + problem);
}

Result<OpenEngine> open_engine(const std::string& path, const EngineFlags& flags) {
  OCELLI_ASSIGN(engine::EngineOptions options, flags.options());
  OCELLI_ASSIGN(formats::ModelFolder folder, open_model(path, flags.mmproj));
  if (path.empty() && !flags.quiet) {
    note(std::string("answered by the built-in model ") + engine::kBuiltinName +
         "; choose another one with -m MODEL");
  }
  OpenEngine out;
  out.quiet = flags.quiet;
  out.decoder = std::make_unique<media::DecoderProcess>();
  options.decode = [decoder = out.decoder.get()](std::span<const std::byte> bytes,
                                                 const media::DecodeOptions& o) {
    return decoder->decode(bytes, o);
  };
  options.read_video = [decoder = out.decoder.get()](
                           std::span<const std::byte> bytes, const media::FrameChooser& choose,
                           const media::FrameSink& sink, const media::VideoLimits& limits) {
    return decoder->read_video(bytes, choose, sink, limits);
  };
  ProgressBar bar(!flags.quiet);
  options.progress = &bar;
  std::optional<ConvertedModel> converted;  // held until the engine has opened its files
  if (options.weights && flags.use_weights_cache && !flags.no_weights_cache) {
    converted = converted_model(folder, *options.weights, flags.threads, bar);
    if (converted) {
      folder = std::move(converted->folder);
      if (converted->fresh && !flags.quiet) {
        bar.clear();
        note("the converted weights are kept in " + base::printable(folder.path(), 400) +
             " for the next start (--no-weights-cache does not keep them)");
      }
      options.weights.reset();
    }
  }
  auto engine = engine::Engine::load(std::move(folder), options);
  // The file alone does not say whose it is.
  if (!engine.ok() && engine.error().code != Code::kUsage &&
      !engine.error().where.starts_with(path))
    return std::move(engine).error().in(path);
  OCELLI_ASSIGN(out.engine, std::move(engine));
  if (!flags.quiet) {
    for (const std::string& warning : out.engine->warnings()) warn(warning);
  }
  return out;
}

}  // namespace ocelli::cli
