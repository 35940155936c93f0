// Weights converted once: with `--weights q4` a folder of the cache takes the place of the model,
// which later starts map instead of converting.
#pragma once

#include <optional>
#include <string>

#include "base/cache_folder.h"
#include "base/progress.h"
#include "encoding/encoding.h"
#include "formats/model_folder.h"

namespace ocelli::cli {

inline constexpr int64_t kWeightsCacheBytes = int64_t{32} << 30;  // of all converted models

struct ConvertedModel {
  formats::ModelFolder folder;
  bool fresh = false;            // put there just now
  base::CacheFolder::Hold hold;  // until the files are open: other processes leave them there
};

// "weights" in base::cache_dir(), and what lies in such a folder.
base::Result<std::string> weights_cache_path();
base::CacheFolder weights_cache_folder(std::string path);

// The model in `encoding`, from the cache or put there now. Nothing where that does not help or
// does not work: models that are no folder or have few bits already, encodings other than q8 and q4
// (which convert as the loader does), a full disk, another process at it. The name stays.
std::optional<ConvertedModel> converted_model(const formats::ModelFolder& source,
                                              encoding::Encoding encoding, int threads,
                                              base::Progress& progress);

// The same in `root`, holding at most `max_bytes`: those used longest ago go first.
std::optional<ConvertedModel> converted_model_in(const std::string& root, int64_t max_bytes,
                                                 const formats::ModelFolder& source,
                                                 encoding::Encoding encoding, int threads,
                                                 base::Progress& progress);

}  // namespace ocelli::cli
