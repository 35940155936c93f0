// The families that this build knows. A new one is a line in registry.cpp.
#pragma once

#include <span>

#include "base/json.h"
#include "formats/checkpoint.h"
#include "models/image_processor.h"
#include "models/model.h"
#include "models/video_processor.h"

namespace ocelli::models {

struct Family {
  std::string_view model_type;  // of config.json
  base::Result<std::unique_ptr<Model>> (*make)(const base::Json& config,
                                               const formats::Checkpoint& weights);
  // Null for text-only families. Arguments: preprocessor_config.json, processor_config.json.
  base::Result<std::unique_ptr<ImageProcessor>> (*make_processor)(const base::Json& preprocessor,
                                                                  const base::Json& processor);
  // Null for families without clips. Arguments: the configuration of clips (see
  // SmolVlmVideoConfig), processor_config.json.
  base::Result<std::unique_ptr<VideoProcessor>> (*make_video_processor)(
      const base::Json& video, const base::Json& processor) = nullptr;
};

std::span<const Family> families();

// The family of a config.json; the error lists what is supported.
base::Result<const Family*> find_family(const base::Json& config);

}  // namespace ocelli::models
