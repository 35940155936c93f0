// Video files to frames, in this process, through FFmpeg's libraries.
//
//   OCELLI_TRY(read_video(bytes, choose, sink));   // choose: VideoInfo -> indices of frames;
//                                                  // sink: sees these frames one by one
//
// Frames are numbered in the order in which they are shown, hidden ones not counted. The pixels are
// those of the ffmpeg program with
//   -sws_flags bicubic+accurate_rnd+bitexact -autoscale 0 -vsync passthrough -pix_fmt rgb24,
// turned upright after the conversion to RGB. These flags make the pixels the same on every CPU.
//
// Containers and codecs are those of the tables in video_kinds.cpp and no others; the bytes are all
// that is read: no other file, no playlist, no protocol. decoder_process.h does the same work in a
// confined child.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "media/image.h"

namespace ocelli::media {

inline constexpr size_t kMaxVideoBytes = size_t{512} << 20;
inline constexpr double kMaxVideoSeconds = 3600;
inline constexpr size_t kMaxVideoFrames = size_t{1} << 20;  // in the file: an hour at 290 a second
inline constexpr size_t kMaxSampledFrames = 64;             // decoded in one call
inline constexpr int64_t kMaxVideoPixels = int64_t{36} << 20;  // of a frame: 8192 x 4608

struct VideoLimits {
  size_t max_bytes = kMaxVideoBytes;
  double max_seconds = kMaxVideoSeconds;
  size_t max_frames = kMaxVideoFrames;
  int64_t max_pixels = kMaxVideoPixels;
  size_t max_allocation = size_t{256} << 20;  // of one piece, inside FFmpeg; 0 leaves it as it is
  size_t max_probe_bytes = 5'000'000;         // what FFmpeg reads to learn about the streams
  double max_work_seconds = 50;               // of one call
};

// The numbers that samplers of frames go by; transformers calls them VideoMetadata (as torchcodec
// fills it in, from the content and not from the header).
struct VideoInfo {
  int64_t frames = 0;  // 1 or more
  double fps = 0;      // frames / seconds; the header's where all frames have one time
  double seconds = 0;  // from the first frame to the end of the last; 0 for one without duration
  int width = 0, height = 0;     // of the first frame, upright, as the header tells
  int turned = 1;                // EXIF orientation that was applied
  bool steady = true;            // whether every frame lasts equally long
  std::string container, codec;  // "MP4", "h264"
};

struct VideoFrame {
  int64_t index = 0;
  double seconds = 0;  // since the first frame, as the file says
  Image image;         // upright
};

// Which frames are wanted: 1 to kMaxSampledFrames of [0, info.frames), ascending, none twice. An
// error ends the reading and is returned.
using FrameChooser = std::function<base::Result<std::vector<int64_t>>(const VideoInfo& info)>;
// Takes the frames in order of their index; an error ends the decoding and is returned.
using FrameSink = std::function<base::Status(VideoFrame frame)>;

// Errors (kBadInput): empty, too large, no video of a kind that is read, no or another codec, too
// many pixels, frames or seconds, broken; (kDoesNotFit): no memory; (kUsage): FFmpeg's libraries
// are not there, or the choice is not possible. Linear in the bytes.
//
// Frames that the file promised and does not hold are left out; it is an error if none is left.
base::Status read_video(std::span<const std::byte> bytes, const FrameChooser& choose,
                        const FrameSink& sink, const VideoLimits& limits = {});

// Reads no pixels.
base::Result<VideoInfo> probe_video(std::span<const std::byte> bytes,
                                    const VideoLimits& limits = {});

// Errors (kUsage): what FrameChooser promises does not hold.
base::Status check_choice(std::span<const int64_t> indices, int64_t frames);

}  // namespace ocelli::media
