#include "media/ffmpeg.h"

#include <string>

#include "base/shared_library.h"

namespace ocelli::media {
namespace {

using base::Result;
using base::Status;

using base::SharedLibrary;

constexpr std::string_view kNeed = "video needs FFmpeg's library";

std::string file_of(const char* name, int major) {
  return std::string("lib") + name + ".so." + std::to_string(major);
}

Status load_util(Ffmpeg& f) {
  SharedLibrary util(file_of("avutil", LIBAVUTIL_VERSION_MAJOR));
  util.find("av_log_set_level", f.av_log_set_level);
  util.find("av_max_alloc", f.av_max_alloc);
  util.find("av_malloc", f.av_malloc);
  util.find("av_freep", f.av_freep);
  util.find("av_dict_set", f.av_dict_set);
  util.find("av_dict_free", f.av_dict_free);
  util.find("av_opt_set_int", f.av_opt_set_int);
  util.find("av_frame_alloc", f.av_frame_alloc);
  util.find("av_frame_free", f.av_frame_free);
  util.find("av_frame_get_side_data", f.av_frame_get_side_data);
  util.find("av_display_rotation_get", f.av_display_rotation_get);
  return util.found(kNeed);
}

Status load_codec(Ffmpeg& f) {
  SharedLibrary codec(file_of("avcodec", LIBAVCODEC_VERSION_MAJOR));
  codec.find("av_packet_alloc", f.av_packet_alloc);
  codec.find("av_packet_free", f.av_packet_free);
  codec.find("av_packet_unref", f.av_packet_unref);
  codec.find("avcodec_get_name", f.avcodec_get_name);
  codec.find("avcodec_find_decoder_by_name", f.avcodec_find_decoder_by_name);
  codec.find("avcodec_alloc_context3", f.avcodec_alloc_context3);
  codec.find("avcodec_free_context", f.avcodec_free_context);
  codec.find("avcodec_parameters_to_context", f.avcodec_parameters_to_context);
  codec.find("avcodec_open2", f.avcodec_open2);
  codec.find("avcodec_send_packet", f.avcodec_send_packet);
  codec.find("avcodec_receive_frame", f.avcodec_receive_frame);
  codec.find("avcodec_flush_buffers", f.avcodec_flush_buffers);
  return codec.found(kNeed);
}

Status load_format(Ffmpeg& f) {
  SharedLibrary format(file_of("avformat", LIBAVFORMAT_VERSION_MAJOR));
  format.find("avformat_alloc_context", f.avformat_alloc_context);
  format.find("avformat_open_input", f.avformat_open_input);
  format.find("avformat_close_input", f.avformat_close_input);
  format.find("avformat_find_stream_info", f.avformat_find_stream_info);
  format.find("av_find_input_format", f.av_find_input_format);
  format.find("av_find_best_stream", f.av_find_best_stream);
  format.find("av_read_frame", f.av_read_frame);
  format.find("av_stream_get_side_data", f.av_stream_get_side_data);
  format.find("avio_alloc_context", f.avio_alloc_context);
  format.find("avio_context_free", f.avio_context_free);
  return format.found(kNeed);
}

Status load_scale(Ffmpeg& f) {
  SharedLibrary scale(file_of("swscale", LIBSWSCALE_VERSION_MAJOR));
  scale.find("sws_alloc_context", f.sws_alloc_context);
  scale.find("sws_init_context", f.sws_init_context);
  scale.find("sws_freeContext", f.sws_freeContext);
  scale.find("sws_getColorspaceDetails", f.sws_getColorspaceDetails);
  scale.find("sws_setColorspaceDetails", f.sws_setColorspaceDetails);
  scale.find("sws_getCoefficients", f.sws_getCoefficients);
  scale.find("sws_scale", f.sws_scale);
  return scale.found(kNeed);
}

Result<Ffmpeg> load() {
  Ffmpeg f = {};
  OCELLI_TRY(load_util(f));
  OCELLI_TRY(load_codec(f));
  OCELLI_TRY(load_format(f));
  OCELLI_TRY(load_scale(f));
  f.av_log_set_level(AV_LOG_QUIET);
  return f;
}

}  // namespace

Result<const Ffmpeg*> ffmpeg() {
  static const Result<Ffmpeg> loaded = load();
  if (!loaded.ok()) return loaded.error();
  return &loaded.value();
}

}  // namespace ocelli::media
