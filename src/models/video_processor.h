// VideoProcessor: which frames of a clip a model sees, as which pixels, and what it is told of
// them. The reference is transformers' video processor of the family with torchvision on the CPU.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "media/image.h"
#include "media/resample.h"
#include "media/video.h"
#include "models/image_processor.h"

namespace ocelli::models {

// What a user wants otherwise than the model's configuration says.
struct VideoSampling {
  std::optional<double> fps;          // frames a second to look at; above 0
  std::optional<int64_t> max_frames;  // 1 to media::kMaxSampledFrames
};

class VideoProcessor {
 public:
  virtual ~VideoProcessor() = default;
  // Which frames, ascending; 1 or more. Errors (kUsage): `wanted` out of range.
  virtual base::Result<std::vector<int64_t>> sample(const media::VideoInfo& info,
                                                    const VideoSampling& wanted) const = 0;
  // Pixels of a frame's sides as the tower takes it.
  virtual int side() const = 0;
  // `frames` frames of this size, one tile each.
  virtual TilePlan plan(int width, int height, int64_t frames) const = 0;
  // A frame as uint8 [side, side, 3]. An error where a side is longer than media::kMaxSide.
  virtual base::Result<std::vector<uint8_t>> process(
      const media::Image& frame, const media::ParallelFor& parallel = {}) const = 0;
  // uint8 [count, side, side, 3] -> float32 [count, 3, side, side].
  virtual void normalize(std::span<const uint8_t> rgb, float* out) const = 0;
  // What the clip's marker becomes in the prompt, for the frames that are shown.
  virtual std::string prompt(const media::VideoInfo& info,
                             std::span<const int64_t> indices) const = 0;
  // The time that the prompt gives a frame, "MM:SS".
  virtual std::string time_label(const media::VideoInfo& info, int64_t index) const = 0;
  // The marker that the chat template writes for a clip.
  virtual std::string_view marker() const = 0;
  // The template of messages with a clip; empty: the model's own.
  virtual std::string_view chat_template() const = 0;
  // Everything that decides the pixels, as text: part of the key of cached embeddings.
  virtual std::string fingerprint() const = 0;
};

}  // namespace ocelli::models
