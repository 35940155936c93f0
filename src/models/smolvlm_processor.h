// Pictures of SmolVLM: resize so that the longest edge has a fixed length, cut into square tiles
// and add a view of the whole. transformers: image_processing_pil_smolvlm.py, processing_smolvlm.py
#pragma once

#include <array>

#include "media/resample.h"
#include "models/image_processor.h"

namespace ocelli::models {

struct SmolVlmProcessorConfig {
  int longest_edge = 0;  // size.longest_edge: the longest edge after the first resize
  int tile = 0;          // max_image_size.longest_edge
  bool split = true;     // do_image_splitting
  media::Filter filter = media::Filter::kLanczos;
  double rescale = 1.0 / 255;
  std::array<float, 3> mean{0.5f, 0.5f, 0.5f}, stddev{0.5f, 0.5f, 0.5f};
  int64_t tokens_per_tile = 0;  // image_seq_len

  // From preprocessor_config.json and processor_config.json (may be null where the file is absent).
  static base::Result<SmolVlmProcessorConfig> parse(const base::Json& preprocessor,
                                                    const base::Json& processor);
};

class SmolVlmProcessor : public ImageProcessor {
 public:
  explicit SmolVlmProcessor(const SmolVlmProcessorConfig& config);
  void limit_tiles(int64_t most) override { most_tiles_ = most; }
  TilePlan plan(int width, int height) const override;
  base::Result<Tiles> process(const media::Image& image,
                              const media::ParallelFor& parallel = {}) const override;
  void normalize(const Tiles& tiles, int64_t first, int64_t count, float* out) const override;
  std::string prompt(const TilePlan& plan) const override;
  std::string_view marker() const override { return "<image>"; }
  std::string fingerprint() const override;

 private:
  struct Size {
    int width, height;
  };
  Size first_resize(int width, int height, int edge) const;
  Size tile_multiple(Size size) const;
  TilePlan plan(int width, int height, int edge) const;
  int chosen_edge(int width, int height) const;

  SmolVlmProcessorConfig config_;
  int64_t most_tiles_ = 0;                            // of a picture; 0: no limit
  std::array<std::array<float, 256>, 3> normalized_;  // channel, byte -> float32
};

}  // namespace ocelli::models
