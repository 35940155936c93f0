// Which containers and codecs are read: the only place that names them. Internal but for
// sniff_video.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace ocelli::media {

struct VideoContainer {
  std::string_view name;      // for people
  const char* demuxer;        // FFmpeg's
  const char* demuxer_names;  // as the demuxer calls itself; nothing else may be opened
  bool has_times;             // every frame's time of display is in the file
};

// By the first bytes; null where it is no container of the table. HEIC and AVIF pictures are none.
const VideoContainer* sniff_video(std::span<const std::byte> bytes);

// How the start of a stretch that decodes on its own is told.
enum class KeyFrames { kMarked, kH264, kHevc };

struct VideoCodec {
  std::string_view name;  // FFmpeg's name of the codec
  const char* decoder;    // FFmpeg's name of the one decoder that may run
  KeyFrames keys = KeyFrames::kMarked;
};

// Null where it is not allowed.
const VideoCodec* find_video_codec(std::string_view codec);
// The decoders as FFmpeg takes them: "h264,hevc,...".
const std::string& video_decoder_list();
// "MP4, Matroska, ..." and "h264, hevc, ..." for messages.
std::string container_names();
std::string codec_names();

// Whether decoding may begin at this packet, which its container marks as a key frame, without
// reading anything before: an IDR picture (H.264) or any random access point (HEVC). `nal_length`:
// bytes of the length before each unit; 0 where start codes separate them (Annex B).
bool starts_clean(KeyFrames keys, std::span<const std::byte> packet, int nal_length);

}  // namespace ocelli::media
