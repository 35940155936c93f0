// config.json on its whole way: JSON, family, the family's config, a model without weights and the
// sizes that `show` and `plan` take from it; then the same text as preprocessor and processor
// configuration, and as generation_config.json. What is accepted keeps to the limits that all later
// arithmetic relies on.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "formats/checkpoint.h"
#include "models/config.h"
#include "models/registry.h"
#include "nn/kv_cache.h"

namespace {

using ocelli::base::Json;
using ocelli::formats::Checkpoint;
namespace models = ocelli::models;

void check_model(const Json& config) {
  const auto family = models::find_family(config);
  if (!family.ok()) return;
  const auto model = (*family)->make(config, Checkpoint());
  if (!model.ok()) {
    OCELLI_CHECK(!model.error().what.empty(), "an error says something");
    return;
  }
  const models::ModelInfo& info = (*model)->info();
  OCELLI_CHECK(info.vocab >= 1 && info.vocab <= models::kMaxVocab, "a vocabulary within its limit");
  OCELLI_CHECK(info.hidden >= 1 && info.hidden <= models::kMaxWidth, "a width within its limit");
  OCELLI_CHECK(info.context >= 1 && info.context <= models::kMaxContext,
               "a context within its limit");
  OCELLI_CHECK(info.kv.layers >= 1 && info.kv.layers <= models::kMaxLayers,
               "layers within their limit");
  OCELLI_CHECK(info.kv.kv_heads >= 1 && info.kv.kv_heads <= models::kMaxHeads,
               "heads within their limit");
  OCELLI_CHECK(info.kv.head_dim >= 1 && info.kv.head_dim <= models::kMaxHeadDim,
               "a head within its limit");
  for (const int32_t id : info.eos_ids)
    OCELLI_CHECK(id >= 0 && id < info.vocab, "a stop token of the vocabulary");
  (void)ocelli::nn::KvCache::bytes_per_token(info.kv, ocelli::tensor::DType::kF32);
  if (info.vision) {
    OCELLI_CHECK(info.vision->tile >= 1 && info.vision->tile <= models::kMaxImage,
                 "a tile within its limit");
    OCELLI_CHECK(info.vision->tokens_per_tile >= 1, "a tile has tokens");
    OCELLI_CHECK(info.vision->image_token_id < info.vocab, "the picture token is one");
  }
}

void check_processor(const Json& config) {
  for (const models::Family& family : models::families()) {
    if (!family.make_processor) continue;
    for (const Json& other : {Json(), config}) {
      const auto processor = family.make_processor(config, other);
      if (!processor.ok()) continue;
      for (const auto& [width, height] :
           {std::pair(1, 1), {1, 32768}, {32768, 1}, {640, 480}, {8192, 8192}}) {
        const models::TilePlan plan = (*processor)->plan(width, height);
        OCELLI_CHECK(plan.resized_width >= 1 && plan.resized_height >= 1, "a picture keeps a size");
        OCELLI_CHECK(plan.tiles >= 1 && plan.tiles <= 64 * 64 + 1, "tiles within their limit");
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = Json::parse(text, {.max_bytes = models::kMaxConfigBytes});
  if (!config.ok() || !config->is_object()) return 0;
  check_model(*config);
  check_processor(*config);
  (void)models::read_eos_ids(*config, 1000);
  return 0;
}
