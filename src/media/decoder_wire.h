// What the parent and the confined decoder say to each other.
//
// One SOCK_SEQPACKET socket; each message is one of these structures, whole. After its start the
// child sends a Reply with sequence 0 (ok, or why it could not confine itself). Then, for each
// picture: a Request with two memfds, the file (sealed, read only) and room for exactly
// output_bytes of pixels; and a Reply with the same sequence. The parent trusts no field of a
// Reply; the child trusts the parent.
//
// A video takes a conversation: the Request (with room for one frame of any size allowed), a Reply
// with what the file holds, an Answer with the frames that are wanted, then a Reply for each frame
// that lies in the room, each followed by an Answer, and a last Reply without a frame.
//
// There are two kinds of child, for pictures and for videos, told apart by their argument.
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/error.h"
#include "media/decode.h"
#include "media/video.h"

namespace ocelli::media {

inline constexpr int kDecoderSocket = 3;  // in the child
inline constexpr uint32_t kWireMagic = 0x6F63'6431;

struct Request {
  uint32_t magic = kWireMagic;
  uint32_t sequence = 0;
  uint64_t input_bytes = 0, output_bytes = 0;
  DecodeOptions options;  // of pictures
  VideoLimits video;      // of videos
};

struct Answer {
  uint32_t magic = kWireMagic;
  uint32_t sequence = 0;
  uint32_t go_on = 0;
  uint32_t wanted = 0;  // of `indices`
  int64_t indices[kMaxSampledFrames] = {};
};

// Of a video or of one of its frames.
struct VideoReply {
  uint8_t is_frame = 0, steady = 0;
  int32_t width = 0, height = 0, turned = 0;
  int64_t frames = 0, index = 0;
  double fps = 0, seconds = 0;
  char codec[16] = {};
};

struct Reply {
  uint32_t magic = kWireMagic;
  uint32_t sequence = 0;
  uint32_t ok = 0;
  // Facts. Plain integers: a bool or an enumeration must not hold a stranger's value.
  uint8_t mode = 0, had_alpha = 0, damaged = 0;
  VideoReply video;
  // Of the error.
  uint32_t code = 0, what_bytes = 0;
  char what[512] = {};
};

static_assert(std::is_trivially_copyable_v<Request> && std::is_trivially_copyable_v<Reply> &&
              std::is_trivially_copyable_v<Answer>);

}  // namespace ocelli::media
