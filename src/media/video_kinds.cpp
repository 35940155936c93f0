#include "media/video_kinds.h"

#include <algorithm>
#include <array>

namespace ocelli::media {
namespace {

using namespace std::string_view_literals;

constexpr VideoContainer kMov{"MP4", "mov", "mov,mp4,m4a,3gp,3g2,mj2", true};
constexpr VideoContainer kMatroska{"Matroska or WebM", "matroska", "matroska,webm", true};
constexpr VideoContainer kAvi{"AVI", "avi", "avi", false};
constexpr VideoContainer kMpegTs{"MPEG-TS", "mpegts", "mpegts", false};
constexpr VideoContainer kFlv{"FLV", "flv", "flv", false};

// Not here on purpose: picture codecs in video clothes (jpeg2000, png, gif), and whatever few files
// use and few people test.
constexpr std::array kCodecs = {
    VideoCodec{"h264", "h264", KeyFrames::kH264},
    VideoCodec{"hevc", "hevc", KeyFrames::kHevc},
    VideoCodec{"vp8", "vp8"},
    VideoCodec{"vp9", "vp9"},
    VideoCodec{"av1", "libdav1d"},
    VideoCodec{"mpeg4", "mpeg4"},
    VideoCodec{"mpeg2video", "mpeg2video"},
    VideoCodec{"mpeg1video", "mpeg1video"},
    VideoCodec{"msmpeg4v3", "msmpeg4"},
    VideoCodec{"h263", "h263"},
    VideoCodec{"flv1", "flv"},
    VideoCodec{"mjpeg", "mjpeg"},
    VideoCodec{"prores", "prores"},
};

constexpr size_t kTsPacket = 188;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// ISO base media: the first box, at its offset 4. Brands of pictures are not videos.
bool is_mov(std::string_view text) {
  constexpr std::array kPictures = {"heic"sv, "heix"sv, "heim"sv, "heis"sv,
                                    "hevc"sv, "mif1"sv, "msf1"sv, "avif"sv};
  constexpr std::array kBoxes = {"moov"sv, "mdat"sv, "wide"sv, "free"sv, "skip"sv, "pnot"sv};
  if (text.size() < 12) return false;
  const std::string_view box = text.substr(4, 4), brand = text.substr(8, 4);
  if (box == "ftyp") return std::find(kPictures.begin(), kPictures.end(), brand) == kPictures.end();
  return std::find(kBoxes.begin(), kBoxes.end(), box) != kBoxes.end();
}

// Three packets in a row, so that a text that starts with a G is none.
bool is_mpeg_ts(std::string_view text) {
  return text.size() > 2 * kTsPacket && text[0] == 'G' && text[kTsPacket] == 'G' &&
         text[2 * kTsPacket] == 'G';
}

uint32_t byte_at(std::span<const std::byte> bytes, size_t at) {
  return std::to_integer<uint32_t>(bytes[at]);
}

// 0 undecided, 1 clean, 2 not: by the type of one unit.
int judge_unit(KeyFrames keys, uint32_t first_byte) {
  if (keys == KeyFrames::kH264) {
    const uint32_t type = first_byte & 31;  // H.264 table 7-1
    if (type == 5) return 1;
    return type >= 1 && type <= 4 ? 2 : 0;
  }
  const uint32_t type = first_byte >> 1 & 63;  // H.265 table 7-1
  if (type >= 16 && type <= 21) return 1;
  return type < 16 ? 2 : 0;
}

bool clean_with_lengths(KeyFrames keys, std::span<const std::byte> packet, size_t width) {
  for (size_t at = 0; packet.size() - at > width;) {
    size_t length = 0;
    for (size_t i = 0; i < width; ++i) length = length << 8 | byte_at(packet, at + i);
    at += width;
    const int verdict = judge_unit(keys, byte_at(packet, at));
    if (verdict != 0) return verdict == 1;
    if (length > packet.size() - at) return false;
    at += length;
  }
  return false;
}

bool clean_with_start_codes(KeyFrames keys, std::span<const std::byte> packet) {
  constexpr std::string_view kStart = "\0\0\1"sv;
  const std::string_view text = text_of(packet);
  for (size_t at = 0; (at = text.find(kStart, at)) != text.npos;) {
    at += kStart.size();
    if (at == text.size()) return false;
    const int verdict = judge_unit(keys, byte_at(packet, at));
    if (verdict != 0) return verdict == 1;
  }
  return false;
}

}  // namespace

const VideoContainer* sniff_video(std::span<const std::byte> bytes) {
  const std::string_view text = text_of(bytes);
  if (is_mov(text)) return &kMov;
  if (text.starts_with("\x1a\x45\xdf\xa3")) return &kMatroska;
  if (text.starts_with("RIFF") && text.size() >= 12 && text.substr(8, 4) == "AVI ") return &kAvi;
  if (text.starts_with("FLV\1")) return &kFlv;
  if (is_mpeg_ts(text)) return &kMpegTs;
  return nullptr;
}

const VideoCodec* find_video_codec(std::string_view codec) {
  const auto* found = std::find_if(kCodecs.begin(), kCodecs.end(),
                                   [&](const VideoCodec& c) { return c.name == codec; });
  return found == kCodecs.end() ? nullptr : found;
}

const std::string& video_decoder_list() {
  static const std::string list = [] {
    std::string out;
    for (const VideoCodec& codec : kCodecs)
      out.append(out.empty() ? "" : ",").append(codec.decoder);
    return out;
  }();
  return list;
}

std::string container_names() {
  std::string out;
  for (const VideoContainer* c : {&kMov, &kMatroska, &kAvi, &kMpegTs, &kFlv})
    out.append(out.empty() ? "" : ", ").append(c->name);
  return out;
}

std::string codec_names() {
  std::string out;
  for (const VideoCodec& codec : kCodecs) out.append(out.empty() ? "" : ", ").append(codec.name);
  return out;
}

bool starts_clean(KeyFrames keys, std::span<const std::byte> packet, int nal_length) {
  if (keys == KeyFrames::kMarked) return true;
  return nal_length > 0 ? clean_with_lengths(keys, packet, size_t(nal_length))
                        : clean_with_start_codes(keys, packet);
}

}  // namespace ocelli::media
