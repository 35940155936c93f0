#include "media/video.h"

#include <algorithm>
#include <new>
#include <string>

#include "media/video_file.h"
#include "media/video_pixels.h"

namespace ocelli::media {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

Status check_choice(std::span<const int64_t> indices, int64_t frames) {
  if (indices.empty() || indices.size() > kMaxSampledFrames) {
    return fail(Code::kUsage, "from 1 to " + std::to_string(kMaxSampledFrames) +
                                  " frames of a video are taken (" +
                                  std::to_string(indices.size()) + " wanted)");
  }
  int64_t before = -1;
  for (const int64_t index : indices) {
    if (index <= before || index >= frames) {
      return fail(Code::kUsage, "frames must be given in order, below " + std::to_string(frames) +
                                    " (" + std::to_string(index) + ")");
    }
    before = index;
  }
  return {};
}

namespace {

// Decodes from one clean start to the next wanted frame and so on, feeding no packet of stretches
// that hold no wanted frame.
class Decoding {
 public:
  Decoding(VideoFile& file, const VideoIndex& index, std::span<const int64_t> wanted,
           const FrameSink& sink)
      : file_(file), index_(index), wanted_(wanted), sink_(sink), converter_(file.api()) {}
  ~Decoding() {
    file_.api().av_packet_free(&packet_);
    file_.api().av_frame_free(&frame_);
    file_.api().avcodec_free_context(&decoder_);
  }
  Decoding(const Decoding&) = delete;

  Status run();

 private:
  bool done() const { return next_ == wanted_.size(); }
  uint32_t packet_of(size_t target) const { return index_.order[size_t(wanted_[target])]; }
  int64_t pts_of(size_t target) const { return index_.packets[packet_of(target)].pts; }
  uint32_t start_of(size_t target) const;
  Status feed(const AVPacket* packet);
  Status take(const AVFrame& frame);
  Status give(const AVFrame& frame, int64_t pts);

  VideoFile& file_;
  const VideoIndex& index_;
  std::span<const int64_t> wanted_;
  const FrameSink& sink_;
  PixelConverter converter_;
  AVCodecContext* decoder_ = nullptr;
  AVPacket* packet_ = nullptr;
  AVFrame* frame_ = nullptr;
  size_t next_ = 0;    // of wanted_
  int64_t shown_ = 0;  // frames that came out, where they are told by counting
  size_t given_ = 0;
};

// The last packet from which the target comes out right. What is shown before a clean start but
// stored behind it (leading pictures) needs the start before.
uint32_t Decoding::start_of(size_t target) const {
  if (!index_.by_time) return 0;
  const int64_t pts = pts_of(target);
  for (uint32_t i = packet_of(target) + 1; i-- > 0;) {
    const VideoPacket& p = index_.packets[i];
    if (p.clean && p.pts != AV_NOPTS_VALUE && p.pts <= pts) return i;
  }
  return 0;
}

Status Decoding::run() {
  const Ffmpeg& api = file_.api();
  packet_ = api.av_packet_alloc();
  frame_ = api.av_frame_alloc();
  if (packet_ == nullptr || frame_ == nullptr) return no_video_memory();
  OCELLI_ASSIGN(decoder_, file_.open_decoder());
  uint32_t start = start_of(0), number = 0;
  for (; !done(); ++number) {
    OCELLI_ASSIGN(const bool more, file_.next(packet_));
    if (!more) break;
    if (number < start) continue;
    const size_t before = next_;
    OCELLI_TRY(feed(packet_));
    if (next_ == before || done()) continue;
    start = start_of(next_);
    if (start > number) api.avcodec_flush_buffers(decoder_);
  }
  if (!done()) OCELLI_TRY(feed(nullptr));
  return given_ > 0 ? Status() : Status(broken_video("no frame of it can be decoded"));
}

// A packet that the decoder refuses is passed over, as the ffmpeg program does.
Status Decoding::feed(const AVPacket* packet) {
  const Ffmpeg& api = file_.api();
  if (api.avcodec_send_packet(decoder_, packet) == AVERROR(ENOMEM)) return no_video_memory();
  while (!done()) {
    const int error = api.avcodec_receive_frame(decoder_, frame_);
    if (error == AVERROR(ENOMEM)) return no_video_memory();
    if (error < 0) break;  // it wants more, or this one was broken
    OCELLI_TRY(file_.check_time());
    OCELLI_TRY(take(*frame_));
  }
  return {};
}

Status Decoding::take(const AVFrame& frame) {
  const int64_t number = shown_++;
  if (!index_.by_time) return number == wanted_[next_] ? give(frame, pts_of(next_)) : Status();
  const int64_t pts = frame.pts != AV_NOPTS_VALUE ? frame.pts : frame.best_effort_timestamp;
  // A wanted frame that does not come out is replaced by the one after it.
  while (!done() && pts != AV_NOPTS_VALUE && pts >= pts_of(next_)) OCELLI_TRY(give(frame, pts));
  return {};
}

Status Decoding::give(const AVFrame& frame, int64_t pts) {
  const auto* matrix = reinterpret_cast<const int32_t*>(
      file_.api().av_stream_get_side_data(&file_.stream(), AV_PKT_DATA_DISPLAYMATRIX, nullptr));
  OCELLI_ASSIGN(Image image, converter_.convert(frame, matrix, file_.limits()));
  const int64_t index = wanted_[next_++];
  ++given_;
  const double seconds = pts == AV_NOPTS_VALUE || index_.first_pts == INT64_MAX
                             ? double(index) / index_.info.fps
                             : file_.seconds_of(pts) - file_.seconds_of(index_.first_pts);
  return sink_({index, seconds, std::move(image)});
}

}  // namespace

Result<VideoInfo> probe_video(std::span<const std::byte> bytes, const VideoLimits& limits) {
  try {
    OCELLI_ASSIGN(const auto file, VideoFile::open(bytes, limits));
    OCELLI_ASSIGN(const VideoIndex index, file->index());
    return index.info;
  } catch (const std::bad_alloc&) {
    return no_video_memory();
  }
}

Status read_video(std::span<const std::byte> bytes, const FrameChooser& choose,
                  const FrameSink& sink, const VideoLimits& limits) {
  try {
    // Read twice from the beginning: an opened file gives the same packets every time, while
    // seeking in it depends on the container's own idea of key frames.
    OCELLI_ASSIGN(auto first, VideoFile::open(bytes, limits));
    OCELLI_ASSIGN(const VideoIndex index, first->index());
    first.reset();
    OCELLI_ASSIGN(const std::vector<int64_t> wanted, choose(index.info));
    OCELLI_TRY(check_choice(wanted, index.info.frames));
    OCELLI_ASSIGN(const auto file, VideoFile::open(bytes, limits));
    return Decoding(*file, index, wanted, sink).run();
  } catch (const std::bad_alloc&) {
    return no_video_memory();
  }
}

}  // namespace ocelli::media
