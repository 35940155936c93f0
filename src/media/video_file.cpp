#include "media/video_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "media/limits.h"
#include "media/orientation.h"

namespace ocelli::media {

using base::Code;
using base::Error;
using base::fail;
using base::Result;
using base::Status;

Error broken_video(std::string_view detail) {
  return fail(Code::kBadInput, "broken video file (" + base::printable(detail) +
                                   "); save it again as MP4 with H.264");
}

Error no_video_memory() {
  return fail(Code::kDoesNotFit, "no memory to decode the video; scale it down first");
}

// The cases of the ffmpeg program (insert the transpose and flip filters), in EXIF's words.
int orientation_of(const Ffmpeg& api, const int32_t* matrix) {
  if (matrix == nullptr) return 1;
  const double turned = -std::round(api.av_display_rotation_get(matrix));
  if (!std::isfinite(turned)) return 1;
  const double theta = turned - 360 * std::floor(turned / 360 + 0.9 / 360);
  if (std::fabs(theta - 90) < 1) return matrix[3] > 0 ? 5 : 6;
  if (std::fabs(theta - 180) < 1) {
    if (matrix[0] < 0) return matrix[4] < 0 ? 3 : 2;
    return matrix[4] < 0 ? 4 : 1;
  }
  if (std::fabs(theta - 270) < 1) return matrix[3] < 0 ? 7 : 8;
  if (std::fabs(theta) < 1) return matrix[4] < 0 ? 4 : 1;
  return 1;
}

namespace {

constexpr int kBufferBytes = 1 << 15;
constexpr unsigned kMaxStreams = 64;

// Nothing but the bytes at hand is ever opened.
int refuse_to_open(AVFormatContext*, AVIOContext** pb, const char*, int, AVDictionary**) {
  *pb = nullptr;
  return AVERROR(EACCES);
}

double ratio(AVRational r) {
  return r.num > 0 && r.den > 0 ? double(r.num) / r.den : 0;
}

// A VP8 packet whose frame is only there for others to refer to (RFC 6386, 9.1: show_frame).
bool hidden_vp8(const AVPacket& packet) {
  return packet.size > 0 && (packet.data[0] >> 4 & 1) == 0;
}

}  // namespace

int VideoFile::read(void* self, uint8_t* out, int count) {
  auto& file = *static_cast<VideoFile*>(self);
  const size_t n = std::min(size_t(std::max(count, 0)), file.bytes_.size() - file.at_);
  if (n == 0) return AVERROR_EOF;
  std::memcpy(out, file.bytes_.data() + file.at_, n);
  file.at_ += n;
  return int(n);
}

int64_t VideoFile::seek(void* self, int64_t offset, int whence) {
  auto& file = *static_cast<VideoFile*>(self);
  const auto size = int64_t(file.bytes_.size());
  if (whence == AVSEEK_SIZE) return size;
  int64_t base = 0;
  if (whence == SEEK_CUR) base = int64_t(file.at_);
  if (whence == SEEK_END) base = size;
  // Past the end is allowed, as in files: reading there finds nothing.
  if (offset < -base || offset > INT64_MAX - base) return AVERROR(EINVAL);
  file.at_ = size_t(std::min(base + offset, size));
  return base + offset;
}

Result<std::unique_ptr<VideoFile>> VideoFile::open(std::span<const std::byte> bytes,
                                                   const VideoLimits& limits) {
  if (bytes.empty()) return fail(Code::kBadInput, "the video file is empty; save it again");
  if (bytes.size() > limits.max_bytes) {
    return fail(Code::kBadInput, "the video file is too large (" + std::to_string(bytes.size()) +
                                     " bytes, limit " + std::to_string(limits.max_bytes) +
                                     "); cut it or scale it down first");
  }
  const VideoContainer* container = sniff_video(bytes);
  if (container == nullptr) {
    return fail(Code::kBadInput, "unsupported: this is no video file of a kind that is read (" +
                                     container_names() + "); convert it to MP4");
  }
  OCELLI_ASSIGN(const Ffmpeg* api, ffmpeg());
  if (limits.max_allocation > 0) api->av_max_alloc(limits.max_allocation);
  std::unique_ptr<VideoFile> file(new VideoFile(*api, bytes, limits));
  file->container_ = container;
  OCELLI_TRY(file->open_container());
  OCELLI_TRY(file->find_streams());
  OCELLI_TRY(file->choose_stream());
  return file;
}

VideoFile::~VideoFile() {
  if (format_ != nullptr) api_->avformat_close_input(&format_);
  if (io_ == nullptr) return;
  api_->av_freep(&io_->buffer);
  api_->avio_context_free(&io_);
}

Status VideoFile::open_container() {
  format_ = api_->avformat_alloc_context();
  auto* buffer = static_cast<uint8_t*>(api_->av_malloc(kBufferBytes));
  if (format_ == nullptr || buffer == nullptr) return no_video_memory();
  io_ = api_->avio_alloc_context(buffer, kBufferBytes, 0, this, read, nullptr, seek);
  if (io_ == nullptr) {
    api_->av_freep(&buffer);
    return no_video_memory();
  }
  format_->pb = io_;
  format_->flags |= AVFMT_FLAG_CUSTOM_IO;
  format_->io_open = refuse_to_open;
  format_->max_streams = kMaxStreams;
  format_->probesize = int64_t(std::max<size_t>(limits_.max_probe_bytes, 32));
  format_->interrupt_callback = {
      [](void* self) { return static_cast<VideoFile*>(self)->check_time().ok() ? 0 : 1; }, this};
  AVDictionary* options = nullptr;
  api_->av_dict_set(&options, "format_whitelist", container_->demuxer_names, 0);
  api_->av_dict_set(&options, "codec_whitelist", video_decoder_list().c_str(), 0);
  api_->av_dict_set(&options, "protocol_whitelist", "none", 0);
  if (container_->demuxer == std::string_view("mov")) {  // other files that a movie may name
    api_->av_dict_set(&options, "enable_drefs", "0", 0);
    api_->av_dict_set(&options, "use_absolute_path", "0", 0);
  }
  const int error = api_->avformat_open_input(
      &format_, "", api_->av_find_input_format(container_->demuxer), &options);
  api_->av_dict_free(&options);
  if (error == 0) return {};
  if (error == AVERROR(ENOMEM)) return no_video_memory();
  OCELLI_TRY(check_time());
  return broken_video("its beginning or its index is damaged or missing");
}

// FFmpeg decodes a little to learn about the streams; the limits hold there too.
Status VideoFile::find_streams() {
  const unsigned count = format_->nb_streams;
  std::vector<AVDictionary*> options(count, nullptr);
  for (unsigned i = 0; i < count; ++i) {
    if (format_->streams[i]->codecpar->codec_type != AVMEDIA_TYPE_VIDEO)
      format_->streams[i]->discard = AVDISCARD_ALL;
    api_->av_dict_set(&options[i], "max_pixels", std::to_string(limits_.max_pixels).c_str(), 0);
    api_->av_dict_set(&options[i], "threads", "1", 0);
  }
  const int error = api_->avformat_find_stream_info(format_, options.data());
  for (AVDictionary*& each : options) api_->av_dict_free(&each);
  OCELLI_TRY(check_time());
  if (error == AVERROR(ENOMEM)) return no_video_memory();
  return error < 0 ? Status(broken_video("its streams make no sense")) : Status();
}

Status VideoFile::choose_stream() {
  const int best = api_->av_find_best_stream(format_, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  if (best < 0 || (format_->streams[best]->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0) {
    return fail(Code::kBadInput, "the file has no video stream; give one with pictures in it");
  }
  stream_ = format_->streams[best];
  for (unsigned i = 0; i < format_->nb_streams; ++i) {
    if (int(i) != best) format_->streams[i]->discard = AVDISCARD_ALL;
  }
  const AVCodecParameters& p = *stream_->codecpar;
  const char* name = api_->avcodec_get_name(p.codec_id);
  codec_ = find_video_codec(name);
  if (codec_ == nullptr) {
    return fail(Code::kBadInput, "unsupported: video codec " + base::printable(name, 40) +
                                     " (known: " + codec_names() + "); convert it to H.264");
  }
  if (p.width < 1 || p.height < 1) return broken_video("it does not say how large its frames are");
  if (p.width > kMaxSide || p.height > kMaxSide ||
      int64_t{p.width} * p.height > limits_.max_pixels) {
    return fail(Code::kBadInput, "the video is too large (" + std::to_string(p.width) + " x " +
                                     std::to_string(p.height) + " pixels, limit " +
                                     std::to_string(limits_.max_pixels) +
                                     " in all); scale it down first");
  }
  if (stream_->time_base.num < 1 || stream_->time_base.den < 1)
    return broken_video("it has no unit of time");
  // avcC and hvcC say in their byte 4 or 21 how long the lengths between units are; extradata of
  // another kind means start codes.
  if (p.extradata_size > 22 && p.extradata[0] == 1) {
    nal_length_ = (p.extradata[codec_->keys == KeyFrames::kHevc ? 21 : 4] & 3) + 1;
  } else if (p.extradata_size > 4 && p.extradata[0] == 1) {
    nal_length_ = (p.extradata[4] & 3) + 1;
  }
  return {};
}

Result<AVCodecContext*> VideoFile::open_decoder() {
  const AVCodec* decoder = api_->avcodec_find_decoder_by_name(codec_->decoder);
  if (decoder == nullptr) {
    return fail(Code::kUsage, std::string("video codec ") + codec_->decoder +
                                  " is not part of the FFmpeg that is installed; install another");
  }
  AVCodecContext* context = api_->avcodec_alloc_context3(decoder);
  if (context == nullptr) return no_video_memory();
  int error = api_->avcodec_parameters_to_context(context, stream_->codecpar);
  context->pkt_timebase = stream_->time_base;
  context->thread_count = 1;
  context->max_pixels = limits_.max_pixels;
  if (error >= 0) error = api_->avcodec_open2(context, decoder, nullptr);
  if (error >= 0) return context;
  api_->avcodec_free_context(&context);
  return error == AVERROR(ENOMEM) ? no_video_memory() : broken_video("its decoder does not start");
}

Status VideoFile::check_time() const {
  if (watch_.seconds() <= limits_.max_work_seconds) return {};
  return fail(Code::kBadInput, "the video takes too long to decode (limit " +
                                   std::to_string(int(std::ceil(limits_.max_work_seconds))) +
                                   " s); cut it or scale it down first");
}

double VideoFile::seconds_of(int64_t ticks) const {
  return double(ticks) * stream_->time_base.num / stream_->time_base.den;
}

Result<bool> VideoFile::next(AVPacket* packet) {
  for (;;) {
    OCELLI_TRY(check_time());
    api_->av_packet_unref(packet);
    const int error = api_->av_read_frame(format_, packet);
    if (error == AVERROR(ENOMEM)) return no_video_memory();
    if (error < 0) return false;  // damaged from here on counts as the end
    if (packet->stream_index == stream_->index) return true;
  }
}

VideoPacket VideoFile::describe(const AVPacket& packet) const {
  const std::span data(reinterpret_cast<const std::byte*>(packet.data), size_t(packet.size));
  VideoPacket out;
  out.pts = packet.pts;
  const bool key = (packet.flags & AV_PKT_FLAG_KEY) != 0;
  out.clean = key && starts_clean(codec_->keys, data, nal_length_);
  out.shown = (packet.flags & AV_PKT_FLAG_DISCARD) == 0 && packet.size > 0 &&
              !(stream_->codecpar->codec_id == AV_CODEC_ID_VP8 && hidden_vp8(packet));
  return out;
}

Result<VideoIndex> VideoFile::index() {
  struct Free {
    const Ffmpeg& api;
    void operator()(AVPacket* p) const { api.av_packet_free(&p); }
  };
  const std::unique_ptr<AVPacket, Free> packet(api_->av_packet_alloc(), Free{*api_});
  if (packet == nullptr) return no_video_memory();
  VideoIndex out;
  bool times_known = true;
  int64_t begin = INT64_MAX, end = INT64_MIN;
  for (;;) {
    OCELLI_ASSIGN(const bool more, next(packet.get()));
    if (!more) break;
    if (out.packets.size() == limits_.max_frames) {
      return fail(Code::kBadInput, "the video has too many frames (limit " +
                                       std::to_string(limits_.max_frames) + "); cut it first");
    }
    out.packets.push_back(describe(*packet));
    VideoPacket& p = out.packets.back();
    if (!p.shown) continue;
    times_known &= p.pts != AV_NOPTS_VALUE;
    if (p.pts == AV_NOPTS_VALUE) p.pts = packet->dts;
    if (p.pts == AV_NOPTS_VALUE) continue;
    const int64_t duration = std::clamp<int64_t>(packet->duration, 0, INT32_MAX);
    if (std::abs(double(p.pts)) > double(INT64_MAX / 4))
      return broken_video("a frame's time makes no sense");
    begin = std::min(begin, p.pts);
    end = std::max(end, p.pts + duration);
    if (seconds_of(end) - seconds_of(begin) > limits_.max_seconds) {
      return fail(Code::kBadInput,
                  "the video is too long (" +
                      std::to_string(int64_t(seconds_of(end) - seconds_of(begin))) +
                      " s or more, limit " + std::to_string(int64_t(limits_.max_seconds)) +
                      "); cut it first");
    }
  }
  out.first_pts = begin;
  finish(out, end, times_known);
  if (out.info.frames == 0) return broken_video("the video holds no frame");
  return out;
}

void VideoFile::finish(VideoIndex& out, int64_t end, bool times_known) const {
  for (uint32_t i = 0; i < out.packets.size(); ++i) {
    if (out.packets[i].shown) out.order.push_back(i);
  }
  const auto pts = [&](uint32_t i) { return out.packets[i].pts; };
  std::stable_sort(out.order.begin(), out.order.end(),
                   [&](uint32_t a, uint32_t b) { return pts(a) < pts(b); });
  out.by_time = times_known && container_->has_times;
  VideoInfo& info = out.info;
  const auto step_to = [&](size_t i) {  // 0 where a frame has no time
    const int64_t from = pts(out.order[i - 1]), to = pts(out.order[i]);
    return from == AV_NOPTS_VALUE || to == AV_NOPTS_VALUE ? 0 : to - from;
  };
  for (size_t i = 1; i < out.order.size(); ++i) {
    if (step_to(i) <= 0) out.by_time = false;  // two frames at one time
    if (step_to(i) != step_to(1)) info.steady = false;
  }
  info.frames = int64_t(out.order.size());
  // torchcodec's average_fps and duration_seconds.
  if (end > out.first_pts) info.seconds = seconds_of(end) - seconds_of(out.first_pts);
  if (info.seconds > 0) info.fps = double(info.frames) / info.seconds;
  for (const AVRational rate :
       {stream_->avg_frame_rate, stream_->r_frame_rate, AVRational{24, 1}}) {
    if (!(info.fps > 0)) info.fps = ratio(rate);  // 24 is what transformers falls back to
  }
  const auto* matrix = reinterpret_cast<const int32_t*>(
      api_->av_stream_get_side_data(stream_, AV_PKT_DATA_DISPLAYMATRIX, nullptr));
  info.turned = orientation_of(*api_, matrix);
  info.width = stream_->codecpar->width;
  info.height = stream_->codecpar->height;
  if (swaps_sides(info.turned)) std::swap(info.width, info.height);
  info.container = container_->name;
  info.codec = codec_->name;
}

}  // namespace ocelli::media
