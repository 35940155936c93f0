// Decoded frames to upright RGB pictures. Internal to this room.
#pragma once

#include "media/ffmpeg.h"
#include "media/image.h"
#include "media/video.h"

namespace ocelli::media {

class PixelConverter {
 public:
  explicit PixelConverter(const Ffmpeg& api) : api_(&api) {}
  ~PixelConverter() { api_->sws_freeContext(scaler_); }
  PixelConverter(const PixelConverter&) = delete;
  PixelConverter& operator=(const PixelConverter&) = delete;

  // `stream_matrix`: the stream's display matrix or null; a frame's own goes before it.
  base::Result<Image> convert(const AVFrame& frame, const int32_t* stream_matrix,
                              const VideoLimits& limits);

 private:
  struct Kind {
    int width, height, format, colorspace, range;
    bool operator==(const Kind&) const = default;
  };
  base::Status prepare(const Kind& kind);

  const Ffmpeg* api_;
  SwsContext* scaler_ = nullptr;
  Kind kind_ = {};
};

}  // namespace ocelli::media
