// Features: what the frozen part of a model says of pictures, computed once for each picture and
// kept by content, in memory and on disk. Where the connector trains, that is what the tower gives;
// where the tower trains, nothing is kept. The folder is the one in which answers look, too
// (engine/disk_cache.h).
#pragma once

#include "engine/engine.h"

namespace ocelli::train {

struct FeatureOptions {
  std::string folder = {};                       // of the cache on disk; "": none
  int64_t disk_bytes = engine::kDiskCacheBytes;  // most that the folder may grow to
  int64_t memory_bytes = int64_t{512} << 20;
  bool connector_trains = false;
  bool exact = true;
  bool in_8_bits = false;  // weights and activations of the frozen part; `exact` counts no more
};

class Features {
 public:
  // `engine` must outlive it. In 8 bits the weights are converted and packed here; an engine with
  // adapters cannot have that (kUsage).
  static base::Result<std::unique_ptr<Features>> create(engine::Engine& engine,
                                                        const FeatureOptions& options);

  using Images = std::span<const std::shared_ptr<const engine::PreparedImage>>;
  // Embeddings of all pictures' tokens, [rows, D]; through the connector, with gradient, where that
  // trains.
  base::Result<tensor::Tensor> embeddings(tensor::Context& c, Images images);
  // All tiles as the tower takes them, [tiles, 3, side, side].
  tensor::Tensor pixels(tensor::Context& c, Images images) const;

  int64_t computed() const { return computed_; }  // pictures that went through the tower
  int64_t read() const { return read_; }          // pictures found on disk

 private:
  Features(engine::Engine& engine, const FeatureOptions& options)
      : engine_(engine),
        options_(options),
        memory_(options.memory_bytes),
        disk_({options.folder, options.disk_bytes, true}) {}
  using Numbers = std::shared_ptr<const engine::Embeddings>;
  int64_t width() const;
  const models::Model& model() const { return packed_ ? *packed_->model : engine_.model(); }
  base::Digest256 key(const engine::PreparedImage& image) const;
  Numbers compute(tensor::Context& c, const engine::PreparedImage& image) const;
  base::Result<Numbers> of(tensor::Context& c, const engine::PreparedImage& image);

  engine::Engine& engine_;
  FeatureOptions options_;
  std::optional<models::LoadedModel> packed_;  // in 8 bits
  engine::ImageCache memory_;
  engine::DiskCache disk_;
  int64_t computed_ = 0, read_ = 0;
};

}  // namespace ocelli::train
