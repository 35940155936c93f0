#include "models/smolvlm.h"

#include "formats/checkpoint.h"
#include "models/config.h"
#include "ops/rows.h"

namespace ocelli::models {
namespace {

using base::Json;
using base::Result;

constexpr char kVision[] = "model.vision_model.";

// The hub's SmolVLM2 configs leave out the number of vision layers and their MLP width.
SiglipConfig::FromTensors vision_from_tensors(const formats::Checkpoint& weights) {
  SiglipConfig::FromTensors found;
  const auto layer = [](int64_t i) { return kVision + ("encoder.layers." + std::to_string(i)); };
  while (found.layers < kMaxLayers && weights.find(layer(found.layers) + ".layer_norm1.weight"))
    ++found.layers;
  if (const auto* fc1 = weights.find(layer(0) + ".mlp.fc1.weight"); fc1 && !fc1->shape.empty()) {
    found.intermediate = fc1->shape[0];
  }
  return found;
}

class SmolVlm : public Model {
 public:
  SmolVlm(const SmolVlmConfig& config, ModelInfo info)
      : info_(std::move(info)), config_(config), vision_(config.vision), text_(config.text) {}

  const ModelInfo& info() const override { return info_; }

  void visit(nn::ParameterVisitor& v) override {
    vision_.visit(v, kVision);
    v.linear("model.connector.modality_projection.proj", connector_, config_.text.hidden,
             config_.tower_width(), false);
    text_.visit(v, "model.text_model.", "lm_head");
  }

  Tensor embed(Context& c, std::span<const int32_t> ids) const override {
    return text_.embed(c, ids);
  }
  Tensor forward(Context& c, const Tensor& embeddings, const nn::Sequence& s) const override {
    return text_.forward(c, embeddings, s);
  }
  Tensor logits(Context& c, const Tensor& hidden) const override { return text_.logits(c, hidden); }

  // image_hidden_states = self.connector(self.vision_model(pixel_values))
  Tensor encode_tower(Context& c, const Tensor& pixels) const override {
    const int64_t grid = config_.vision.grid();
    return ops::pixel_shuffle(c, vision_.forward(c, pixels), grid, grid, config_.scale);
  }
  Tensor connect(Context& c, const Tensor& features) const override {
    return connector_(c, features);
  }

 private:
  ModelInfo info_;
  SmolVlmConfig config_;
  Siglip vision_;
  nn::Linear connector_;
  LlamaStack text_;
};

}  // namespace

Result<SmolVlmConfig> SmolVlmConfig::parse(const Json& json,
                                           const SiglipConfig::FromTensors& found) {
  SmolVlmConfig c;
  const Json* text = json.find("text_config");
  const Json* vision = json.find("vision_config");
  if (!text || !text->is_object())
    return bad_config("\"text_config\" is missing; the text model is described there");
  if (!vision || !vision->is_object())
    return bad_config("\"vision_config\" is missing; the tower is described there");
  OCELLI_ASSIGN(const bool tied, json.get_bool("tie_word_embeddings", false));
  OCELLI_TRY(expect_string(*text, "model_type", "llama").in("text_config"));
  // The text_config's own key is a leftover of its class; the top level decides.
  OCELLI_ASSIGN(c.text, LlamaConfig::parse(*text, {.tied = tied}).in("text_config"));
  c.text.tied = tied;
  OCELLI_ASSIGN(c.vision, SiglipConfig::parse(*vision, found).in("vision_config"));
  OCELLI_ASSIGN(c.scale, json.get_int("scale_factor", {1, 64}, 2));
  OCELLI_ASSIGN(const int64_t image_id, json.get_int("image_token_id", {0, c.text.vocab - 1}));
  c.image_token_id = int32_t(image_id);
  if (c.vision.grid() % c.scale != 0) {
    return bad_config("scale_factor (" + std::to_string(c.scale) + ") must divide the grid of " +
                      std::to_string(c.vision.grid()) + " patches");
  }
  if (c.tokens_per_tile() * c.text.hidden > kMaxTileNumbers) {
    return bad_config("the tokens of a picture hold too many numbers (" +
                      std::to_string(c.tokens_per_tile() * c.text.hidden) + ", limit " +
                      std::to_string(kMaxTileNumbers) + ")");
  }
  return c;
}

Result<std::unique_ptr<Model>> make_smolvlm(const Json& json, const formats::Checkpoint& weights) {
  OCELLI_ASSIGN(const SmolVlmConfig config,
                SmolVlmConfig::parse(json, vision_from_tensors(weights)));
  OCELLI_ASSIGN(ModelInfo info, text_info("smolvlm", *json.find("text_config"), config.text));
  OCELLI_ASSIGN(std::vector<int32_t> eos, read_eos_ids(json, config.text.vocab));
  if (!eos.empty()) info.eos_ids = std::move(eos);
  info.vision = VisionInfo{config.vision.image, config.tokens_per_tile(), config.tower_width(),
                           config.image_token_id};
  return std::unique_ptr<Model>(std::make_unique<SmolVlm>(config, std::move(info)));
}

}  // namespace ocelli::models
