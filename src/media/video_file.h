// A video file opened for reading packets, and the list of its frames. Internal to this room.
#pragma once

#include <memory>
#include <vector>

#include "base/clock.h"
#include "media/ffmpeg.h"
#include "media/video.h"
#include "media/video_kinds.h"

namespace ocelli::media {

// One packet of the video stream, in the order of the file.
struct VideoPacket {
  int64_t pts = AV_NOPTS_VALUE;
  bool clean = false;  // decoding may begin here
  bool shown = false;  // becomes a frame
};

// The frames of a file, found by reading its packets without decoding them.
struct VideoIndex {
  VideoInfo info;
  std::vector<VideoPacket> packets;
  // Packet of each frame, by time of display.
  std::vector<uint32_t> order;
  // Whether each frame can be told by its time; otherwise only by counting them.
  bool by_time = false;
  int64_t first_pts = 0;
};

class VideoFile {
 public:
  // `bytes` must outlive it.
  static base::Result<std::unique_ptr<VideoFile>> open(std::span<const std::byte> bytes,
                                                       const VideoLimits& limits);
  ~VideoFile();
  VideoFile(const VideoFile&) = delete;
  VideoFile& operator=(const VideoFile&) = delete;

  // Reads all packets; call once, on a fresh file.
  base::Result<VideoIndex> index();
  // The next packet of the video stream; false at the end.
  base::Result<bool> next(AVPacket* packet);
  base::Result<AVCodecContext*> open_decoder();  // of the caller

  const Ffmpeg& api() const { return *api_; }
  const AVStream& stream() const { return *stream_; }
  const VideoLimits& limits() const { return limits_; }
  // An error once the time for work is over.
  base::Status check_time() const;
  double seconds_of(int64_t ticks) const;

 private:
  VideoFile(const Ffmpeg& api, std::span<const std::byte> bytes, const VideoLimits& limits)
      : api_(&api), bytes_(bytes), limits_(limits) {}
  static int read(void* self, uint8_t* out, int count);
  static int64_t seek(void* self, int64_t offset, int whence);
  base::Status open_container();
  base::Status find_streams();
  base::Status choose_stream();
  VideoPacket describe(const AVPacket& packet) const;
  void finish(VideoIndex& index, int64_t end, bool times_known) const;

  const Ffmpeg* api_;
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
  VideoLimits limits_;
  base::Stopwatch watch_;
  const VideoContainer* container_ = nullptr;
  const VideoCodec* codec_ = nullptr;
  AVIOContext* io_ = nullptr;
  AVFormatContext* format_ = nullptr;
  AVStream* stream_ = nullptr;
  int nal_length_ = 0;
};

// "broken MP4 video (DETAIL); ..."
base::Error broken_video(std::string_view detail);
base::Error no_video_memory();

// The display matrix of FFmpeg as an EXIF orientation; other angles than quarter turns are 1.
int orientation_of(const Ffmpeg& api, const int32_t* matrix);

}  // namespace ocelli::media
