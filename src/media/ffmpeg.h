// FFmpeg's libraries, loaded when the first video comes. Internal to this room.
//
// Linking them would cost every start of the program 60 ms and 28 MB for the hundred libraries that
// Debian's FFmpeg brings along, with no video in sight.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
}

#include "base/result.h"

namespace ocelli::media {

// The functions that are used, by their own names.
struct Ffmpeg {
  decltype(&::av_log_set_level) av_log_set_level;
  decltype(&::av_max_alloc) av_max_alloc;
  decltype(&::av_malloc) av_malloc;
  decltype(&::av_freep) av_freep;
  decltype(&::av_dict_set) av_dict_set;
  decltype(&::av_dict_free) av_dict_free;
  decltype(&::av_opt_set_int) av_opt_set_int;
  decltype(&::av_frame_alloc) av_frame_alloc;
  decltype(&::av_frame_free) av_frame_free;
  decltype(&::av_frame_get_side_data) av_frame_get_side_data;
  decltype(&::av_display_rotation_get) av_display_rotation_get;

  decltype(&::av_packet_alloc) av_packet_alloc;
  decltype(&::av_packet_free) av_packet_free;
  decltype(&::av_packet_unref) av_packet_unref;
  decltype(&::avcodec_get_name) avcodec_get_name;
  decltype(&::avcodec_find_decoder_by_name) avcodec_find_decoder_by_name;
  decltype(&::avcodec_alloc_context3) avcodec_alloc_context3;
  decltype(&::avcodec_free_context) avcodec_free_context;
  decltype(&::avcodec_parameters_to_context) avcodec_parameters_to_context;
  decltype(&::avcodec_open2) avcodec_open2;
  decltype(&::avcodec_send_packet) avcodec_send_packet;
  decltype(&::avcodec_receive_frame) avcodec_receive_frame;
  decltype(&::avcodec_flush_buffers) avcodec_flush_buffers;

  decltype(&::avformat_alloc_context) avformat_alloc_context;
  decltype(&::avformat_open_input) avformat_open_input;
  decltype(&::avformat_close_input) avformat_close_input;
  decltype(&::avformat_find_stream_info) avformat_find_stream_info;
  decltype(&::av_find_input_format) av_find_input_format;
  decltype(&::av_find_best_stream) av_find_best_stream;
  decltype(&::av_read_frame) av_read_frame;
  decltype(&::av_stream_get_side_data) av_stream_get_side_data;
  decltype(&::avio_alloc_context) avio_alloc_context;
  decltype(&::avio_context_free) avio_context_free;

  decltype(&::sws_alloc_context) sws_alloc_context;
  decltype(&::sws_init_context) sws_init_context;
  decltype(&::sws_freeContext) sws_freeContext;
  decltype(&::sws_getColorspaceDetails) sws_getColorspaceDetails;
  decltype(&::sws_setColorspaceDetails) sws_setColorspaceDetails;
  decltype(&::sws_getCoefficients) sws_getCoefficients;
  decltype(&::sws_scale) sws_scale;
};

// Loads them at the first call, silences their log, and tells the same at every later one.
// Errors (kUsage): a library is missing, or of another major version than the headers.
base::Result<const Ffmpeg*> ffmpeg();

}  // namespace ocelli::media
