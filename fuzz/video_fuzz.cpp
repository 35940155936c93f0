// Any bytes as a video, in this process: an error, or the frames that were asked for, in bounds.
// The limits are tiny, so that a run is about parsing and not about decoding.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "media/video.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ocelli;
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  media::VideoLimits limits;
  limits.max_bytes = 1 << 16;
  limits.max_frames = 64;
  limits.max_pixels = 128 * 128;
  limits.max_allocation = size_t{4} << 20;
  limits.max_probe_bytes = 1 << 14;
  limits.max_work_seconds = 0.5;
  int64_t frames = 0, before = -1;
  const auto choose = [&](const media::VideoInfo& info) -> base::Result<std::vector<int64_t>> {
    frames = info.frames;
    OCELLI_CHECK(frames >= 1 && frames <= 64, "the number of frames is limited");
    OCELLI_CHECK(info.fps > 0 && info.seconds >= 0 && info.seconds <= limits.max_seconds,
                 "rate and length make sense");
    if (frames > 2) return std::vector<int64_t>{0, frames / 2};
    return std::vector<int64_t>{frames - 1};
  };
  const auto sink = [&](const media::VideoFrame& frame) {
    OCELLI_CHECK(frame.index > before && frame.index < frames, "a frame that was wanted");
    before = frame.index;
    const media::Image& image = frame.image;
    OCELLI_CHECK(int64_t{image.width} * image.height <= limits.max_pixels, "a frame within limits");
    OCELLI_CHECK(image.rgb.size() == image.row_bytes() * size_t(image.height), "rgb is w * h * 3");
    return base::Status();
  };
  static_cast<void>(media::read_video(bytes, choose, sink, limits));
  return 0;
}
