// Options that every command with a model has, under the names that users of llama.cpp and of
// Hugging Face know.
#pragma once

#include <string>

#include "engine/engine.h"
#include "media/decoder_process.h"

namespace CLI {
class App;
}

namespace ocelli::cli {

struct EngineFlags {
  std::string model;    // -m
  std::string mmproj;   // --mmproj
  int threads = 0;      // -t
  int64_t context = 0;  // -c
  std::string weights;  // --weights
  std::string cache_type;
  bool exact = false;
  std::optional<std::string> memory;  // --memory
  bool no_split = false;
  std::optional<int64_t> max_tiles;  // --max-tiles
  std::string detail;                // --detail: low, high, auto
  std::string alpha = "drop";
  std::optional<double> fps;                 // --fps
  std::optional<int64_t> max_frames;         // --max-frames
  std::vector<std::string> adapters;         // --adapter
  std::vector<std::string> scaled_adapters;  // --lora-scaled
  bool force_adapter = false;
  bool quiet = false;
  bool packed = false;  // no option: set by programs that only run the model
  // Whether --weights q8 and q4 may use converted weights of the cache (weights_cache.h).
  bool use_weights_cache = false, no_weights_cache = false;
  bool takes_cache = false;                      // add_cache() was called
  bool no_cache = false;                         // --no-cache
  int64_t cache_size = engine::kDiskCacheBytes;  // --cache-size
  std::string cache_folder;                      // of pictures; "": DiskCache::default_folder()

  void add(CLI::App& app);
  // For commands that run the model: how much memory they may take.
  void add_memory(CLI::App& app);
  // For commands that keep what the model made of pictures, and their options for that. Not for
  // those that change the model.
  void add_cache(CLI::App& app);
  // Whether pictures are kept on disk.
  bool keeps_pictures() const;
  base::Result<engine::EngineOptions> options() const;
  // What --adapter and --lora-scaled say.
  base::Result<std::vector<engine::AdapterUse>> adapter_uses() const;
};

// What of the flags decides the model's numbers, by name without dashes, where it is not the
// default; and back into flags that are not given. Unknown names are errors (kUsage).
base::Json deciding(const EngineFlags& flags);
base::Status take_deciding(const base::Json& options, EngineFlags& flags);

// Bytes: a number of GiB, or one with a unit as 800M.
base::Result<int64_t> parse_memory(const std::string& text);

// DIR or DIR=WEIGHT (`sign` '='), FILE:SCALE (`sign` ':').
base::Result<engine::AdapterUse> parse_adapter(const std::string& text, char sign);

// Whether the environment forbids keeping anything of pictures on disk (OCELLI_NO_CACHE).
bool cache_forbidden();

// An engine and what it needs to stay alive. At the end says on stderr why pictures could not be
// kept, if so.
struct OpenEngine {
  OpenEngine() = default;
  OpenEngine(OpenEngine&&) = default;
  OpenEngine& operator=(OpenEngine&&) = default;
  ~OpenEngine();

  bool quiet = false;
  std::unique_ptr<media::DecoderProcess> decoder;
  std::unique_ptr<engine::Engine> engine;
};

// Loads `path` ("" is the built-in model, which says on stderr that it answers), with a progress
// bar and pictures decoded in the confined child.
base::Result<OpenEngine> open_engine(const std::string& path, const EngineFlags& flags);

}  // namespace ocelli::cli
