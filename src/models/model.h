// Model: what the engine and the trainer see of a family. Behaviour comes from the config; no code
// asks for a model's name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nn/kv_cache.h"
#include "nn/parameters.h"
#include "nn/sequence.h"

namespace ocelli::models {

using tensor::Context;
using tensor::Tensor;

// What the picture side of a model takes and gives.
struct VisionInfo {
  int64_t tile = 0;             // tiles are [3, tile, tile]
  int64_t tokens_per_tile = 0;  // embeddings that one tile becomes
  int64_t tower_width = 0;      // Dv: numbers of a token between the tower and the connector
  int32_t image_token_id = 0;   // stands in the prompt where an embedding goes
};

struct ModelInfo {
  std::string family;   // "smolvlm", "llama"
  int64_t vocab = 0;    // rows of the embedding
  int64_t hidden = 0;   // D
  int64_t context = 0;  // most tokens that it was trained with
  nn::KvShape kv;
  std::vector<int32_t> eos_ids;  // from the config; generation_config.json may name others
  std::optional<VisionInfo> vision;
};

class Model {
 public:
  virtual ~Model() = default;
  virtual const ModelInfo& info() const = 0;

  // Names every parameter. Loading, counting, adapters and optimizers go through it.
  virtual void visit(nn::ParameterVisitor& v) = 0;

  // ids -> [T, D]
  virtual Tensor embed(Context& c, std::span<const int32_t> ids) const = 0;
  // Embeddings [T, D] -> hidden states after the last norm [T, D]. Keys and values go to the
  // sequence's cache, if it has one; the caller sets the cache's length afterwards.
  virtual Tensor forward(Context& c, const Tensor& embeddings,
                         const nn::Sequence& sequence) const = 0;
  // Hidden states [T, D] -> logits [T, V]
  virtual Tensor logits(Context& c, const Tensor& hidden) const = 0;

  // The three below require info().vision.
  // Normalized pixels [B, 3, tile, tile] -> what the tower sees, [B * tokens_per_tile, Dv]: the
  // same for a picture as long as the tower does not train.
  virtual Tensor encode_tower(Context& c, const Tensor& pixels) const { return no_pictures(); }
  // The tower's features [n, Dv] -> embeddings [n, D]
  virtual Tensor connect(Context& c, const Tensor& features) const { return no_pictures(); }
  // Both: pixels -> embeddings [B * tokens_per_tile, D]
  Tensor encode_tiles(Context& c, const Tensor& pixels) const {
    return connect(c, encode_tower(c, pixels));
  }

 private:
  static Tensor no_pictures() {
    OCELLI_CHECK(false, "a text model encodes no pictures");
    return {};
  }
};

}  // namespace ocelli::models
