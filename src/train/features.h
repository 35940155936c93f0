// Features: what the frozen part of a model says of pictures, computed once for each picture and
// kept by content, in memory and on disk. Where the connector trains, that is what the tower gives;
// where the tower trains, nothing is kept.
//
// A file of the cache is one picture's: 8 bytes "OCLFEAT1", two int64 (rows, columns), SHA-256 of
// the numbers, then rows * columns float32. Its name is the hash of everything that decides the
// numbers. A file that does not hold what it should is computed again.
#pragma once

#include "engine/engine.h"

namespace ocelli::train {

struct FeatureOptions {
  std::string folder = {};                // of the cache on disk; "": none
  int64_t disk_bytes = int64_t{4} << 30;  // most that the folder may grow to
  int64_t memory_bytes = int64_t{512} << 20;
  bool connector_trains = false;
  bool exact = true;
};

class Features {
 public:
  // `engine` must outlive it.
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
      : engine_(engine), options_(options), memory_(options.memory_bytes) {}
  using Numbers = std::shared_ptr<const engine::Embeddings>;
  int64_t width() const;
  base::Digest256 key(const engine::PreparedImage& image) const;
  std::string path(const base::Digest256& key) const;
  Numbers read_file(const base::Digest256& key, int64_t rows) const;
  void write_file(const base::Digest256& key, const engine::Embeddings& numbers);
  base::Result<Numbers> of(tensor::Context& c, const engine::PreparedImage& image);

  engine::Engine& engine_;
  FeatureOptions options_;
  engine::ImageCache memory_;
  base::Digest256 model_;  // of what computes the numbers
  int64_t on_disk_ = 0;    // bytes
  int64_t computed_ = 0, read_ = 0;
};

}  // namespace ocelli::train
