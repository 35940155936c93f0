// Clips of SmolVLM2: frames spread over the clip, each one square view, told with their times.
// transformers: video_processing_smolvlm.py, processing_smolvlm.py
#pragma once

#include <array>

#include "models/smolvlm_processor.h"
#include "models/video_processor.h"

namespace ocelli::models {

struct SmolVlmVideoConfig {
  // Sizes, filter and normalization are read as those of pictures are. That `size` goes before
  // video_sampling.video_size is the original's doing since transformers 4.53.
  SmolVlmProcessorConfig frame;
  double fps = 1;           // video_sampling.fps
  int64_t max_frames = 64;  // video_sampling.max_frames

  // `video`: the video_processor of processor_config.json, else video_preprocessor_config.json,
  // else preprocessor_config.json. `processor`: processor_config.json; may be null.
  static base::Result<SmolVlmVideoConfig> parse(const base::Json& video,
                                                const base::Json& processor);
};

class SmolVlmVideoProcessor : public VideoProcessor {
 public:
  explicit SmolVlmVideoProcessor(const SmolVlmVideoConfig& config);
  base::Result<std::vector<int64_t>> sample(const media::VideoInfo& info,
                                            const VideoSampling& wanted) const override;
  int side() const override { return config_.frame.tile; }
  TilePlan plan(int width, int height, int64_t frames) const override;
  base::Result<std::vector<uint8_t>> process(const media::Image& frame,
                                             const media::ParallelFor& parallel) const override;
  void normalize(std::span<const uint8_t> rgb, float* out) const override;
  std::string prompt(const media::VideoInfo& info, std::span<const int64_t> indices) const override;
  std::string time_label(const media::VideoInfo& info, int64_t index) const override;
  std::string_view marker() const override { return "<video>"; }
  std::string_view chat_template() const override;
  std::string fingerprint() const override;

 private:
  SmolVlmVideoConfig config_;
  std::array<std::array<float, 256>, 3> normalized_;  // channel, byte -> float32
};

// 1 to 99 in English words: "nine", "sixty-four". num2words.
std::string number_words(int64_t n);
// As Python prints timedelta(seconds=int(seconds)): "0:00:09", "1 day, 1:02:03".
std::string duration_text(double seconds);

}  // namespace ocelli::models
