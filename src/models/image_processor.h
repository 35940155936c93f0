// ImageProcessor: from a picture to the tiles that a vision tower takes, and to the text that
// stands for them in the prompt. The reference is the original's PIL processor, bit for bit.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "media/image.h"
#include "media/resample.h"
#include "tensor/tensor.h"

namespace ocelli::models {

// How a picture of some size is cut, known without its pixels.
struct TilePlan {
  int rows = 0, cols = 0;  // 0 x 0: one view of the whole, not split
  int resized_width = 0, resized_height = 0;
  int64_t tiles = 0;  // rows * cols + 1
  int side = 0;       // pixels of a tile
};

struct Tiles {
  TilePlan plan;
  std::vector<uint8_t> rgb;  // [tiles, side, side, 3]
};

class ImageProcessor {
 public:
  virtual ~ImageProcessor() = default;
  // From now on no picture becomes more tiles than this (0: as many as the model's own rule says):
  // the rule is applied with a shorter longest edge, so that the layout is one that the model was
  // trained with. At least 1. A picture of a given size then has another plan.
  virtual void limit_tiles(int64_t most) = 0;
  // Sides of 1 pixel or more.
  virtual TilePlan plan(int width, int height) const = 0;
  // An error where a side is longer than media::kMaxSide.
  virtual base::Result<Tiles> process(const media::Image& image,
                                      const media::ParallelFor& parallel = {}) const = 0;
  // Normalized pixels of tiles [first, first + count): float32 [count, 3, side, side].
  virtual void normalize(const Tiles& tiles, int64_t first, int64_t count, float* out) const = 0;
  // What the picture's marker becomes in the prompt.
  virtual std::string prompt(const TilePlan& plan) const = 0;
  // The marker that the chat template writes for a picture.
  virtual std::string_view marker() const = 0;
  // Everything that decides the pixels but the plan, as text: part of the key of cached embeddings.
  virtual std::string fingerprint() const = 0;
};

}  // namespace ocelli::models
