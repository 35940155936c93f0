#include "models/registry.h"

#include "models/config.h"
#include "models/llama.h"
#include "models/smollm3.h"
#include "models/smolvlm.h"
#include "models/smolvlm_processor.h"
#include "models/smolvlm_video.h"

namespace ocelli::models {
namespace {

using base::Json;
using base::Result;

Result<std::unique_ptr<Model>> llama(const Json& config, const formats::Checkpoint&) {
  return make_llama(config);
}

Result<std::unique_ptr<ImageProcessor>> smolvlm_processor(const Json& preprocessor,
                                                          const Json& processor) {
  OCELLI_ASSIGN(const SmolVlmProcessorConfig config,
                SmolVlmProcessorConfig::parse(preprocessor, processor));
  return std::unique_ptr<ImageProcessor>(std::make_unique<SmolVlmProcessor>(config));
}

Result<std::unique_ptr<VideoProcessor>> smolvlm_video(const Json& video, const Json& processor) {
  OCELLI_ASSIGN(const SmolVlmVideoConfig config, SmolVlmVideoConfig::parse(video, processor));
  return std::unique_ptr<VideoProcessor>(std::make_unique<SmolVlmVideoProcessor>(config));
}

constexpr Family kFamilies[] = {
    {"llama", llama, nullptr},
    {"smollm3", make_smollm3, nullptr},
    {"smolvlm", make_smolvlm, smolvlm_processor, smolvlm_video},
    {"idefics3", make_smolvlm, smolvlm_processor},
};

}  // namespace

std::span<const Family> families() {
  return kFamilies;
}

Result<const Family*> find_family(const Json& config) {
  OCELLI_ASSIGN(const std::string type, config.get_string("model_type"));
  std::string known;
  for (const Family& family : kFamilies) {
    if (family.model_type == type) return &family;
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  return bad_config("model_type \"" + base::printable(type, 60) +
                    "\" is not supported; supported are " + known);
}

}  // namespace ocelli::models
