// The parent's part of the conversation about a video.
#include <fcntl.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#include "base/clock.h"
#include "media/decoder_process.h"
#include "media/limits.h"
#include "media/shared_memory.h"
#include "media/video_kinds.h"

namespace ocelli::media {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

namespace {

bool in_range(int64_t value, int64_t low, int64_t high) {
  return low <= value && value <= high;
}

bool size_is_possible(const VideoReply& told, const VideoLimits& limits) {
  return in_range(told.width, 1, kMaxSide) && in_range(told.height, 1, kMaxSide) &&
         int64_t{told.width} * told.height <= limits.max_pixels && in_range(told.turned, 1, 8);
}

// What the child says of the file, if it can be true.
std::optional<VideoInfo> believed(const VideoReply& told, const VideoContainer& container,
                                  const VideoLimits& limits) {
  const VideoCodec* codec = find_video_codec({told.codec, strnlen(told.codec, sizeof told.codec)});
  const bool possible = told.is_frame == 0 && size_is_possible(told, limits) && codec != nullptr &&
                        in_range(told.frames, 1, int64_t(limits.max_frames)) &&
                        std::isfinite(told.fps) && told.fps > 0 && std::isfinite(told.seconds) &&
                        told.seconds >= 0 && told.seconds <= limits.max_seconds;
  if (!possible) return std::nullopt;
  VideoInfo info;
  info.frames = told.frames;
  info.fps = told.fps;
  info.seconds = told.seconds;
  info.width = told.width;
  info.height = told.height;
  info.turned = told.turned;
  info.steady = told.steady != 0;
  info.container = container.name;
  info.codec = codec->name;
  return info;
}

Result<Image> picture_of(const VideoReply& told, const UniqueFd& room) {
  try {
    Image image{told.width, told.height, {}, {}};
    image.facts.exif_orientation = told.turned;
    image.rgb.resize(image.row_bytes() * size_t(image.height));
    OCELLI_TRY(read_shared_memory(room, image.rgb));
    return image;
  } catch (const std::bad_alloc&) {
    return fail(Code::kDoesNotFit, "no memory for a frame of the video; scale it down first");
  }
}

// One conversation, as far as it has come.
class Conversation {
 public:
  Conversation(const VideoContainer& container, const FrameChooser& choose, const FrameSink& sink,
               const VideoLimits& limits)
      : container_(container), choose_(choose), sink_(sink), limits_(limits) {}

  // Nothing where the reply cannot be true.
  std::optional<Answer> answer_to(const VideoReply& told, const UniqueFd& room) {
    return wanted_.empty() ? answer_to_file(told) : answer_to_frame(told, room);
  }
  bool ended_by(const VideoReply& told) const { return given_ > 0 && told.is_frame == 0; }
  // The error of our own side, after which the child is told to stop.
  const std::optional<base::Error>& stopped() const { return stopped_; }

 private:
  std::optional<Answer> answer_to_file(const VideoReply& told) {
    const std::optional<VideoInfo> info = believed(told, container_, limits_);
    if (!info) return std::nullopt;
    Answer answer;
    auto choice = choose_(*info);
    const Status possible = choice.ok() ? check_choice(*choice, info->frames) : choice.error();
    if (!possible.ok()) {
      stopped_ = possible.error();
      return answer;
    }
    wanted_ = std::move(choice).value();
    answer.go_on = 1;
    answer.wanted = uint32_t(wanted_.size());
    std::copy(wanted_.begin(), wanted_.end(), answer.indices);
    return answer;
  }

  std::optional<Answer> answer_to_frame(const VideoReply& told, const UniqueFd& room) {
    const auto found = std::find(wanted_.begin() + long(next_), wanted_.end(), told.index);
    if (told.is_frame == 0 || !size_is_possible(told, limits_) || found == wanted_.end() ||
        !std::isfinite(told.seconds)) {
      return std::nullopt;
    }
    next_ = size_t(found - wanted_.begin()) + 1;
    ++given_;
    auto image = picture_of(told, room);
    const Status taken = image.ok() ? sink_({told.index, told.seconds, std::move(image).value()})
                                    : Status(image.error());
    if (!taken.ok()) stopped_ = taken.error();
    Answer answer;
    answer.go_on = taken.ok();
    return answer;
  }

  const VideoContainer& container_;
  const FrameChooser& choose_;
  const FrameSink& sink_;
  const VideoLimits& limits_;
  std::vector<int64_t> wanted_;
  size_t next_ = 0, given_ = 0;
  std::optional<base::Error> stopped_;
};

}  // namespace

Status DecoderProcess::read_video(std::span<const std::byte> bytes, const FrameChooser& choose,
                                  const FrameSink& sink, const VideoLimits& limits) {
  const VideoContainer* container = sniff_video(bytes);
  // Too large, or of no kind that is read: these errors need no codec.
  if (container == nullptr || bytes.size() > limits.max_bytes)
    return media::read_video(bytes, choose, sink, limits);
  const std::lock_guard lock(mutex_);
  OCELLI_TRY(ensure_child(DecoderKind::kVideos));
  DecoderLink& child = *child_of(DecoderKind::kVideos);
  Request request;
  request.sequence = ++child.sequence;
  request.input_bytes = bytes.size();
  request.output_bytes = uint64_t(limits.max_pixels) * 3;  // touched as far as a frame needs it
  request.video = limits;
  OCELLI_ASSIGN(const UniqueFd input, shared_memory(bytes.size(), F_SEAL_WRITE, bytes));
  OCELLI_ASSIGN(const UniqueFd room, shared_memory(request.output_bytes, 0, {}));
  const double deadline = options_.video_deadline_seconds;
  Conversation conversation(*container, choose, sink, limits);
  double waited = 0;  // for the child; what choose and sink take does not count
  for (bool said = child.send(request, input.get(), room.get());;) {
    const base::Stopwatch watch;
    Reply reply;
    auto outcome = said ? child.receive(deadline - waited, reply) : DecoderLink::Wait::kGone;
    waited += watch.seconds();
    child.busy_seconds += watch.seconds();
    if (outcome != DecoderLink::Wait::kReady || reply.sequence != request.sequence)
      return give_up(DecoderKind::kVideos, outcome, deadline);
    if (conversation.stopped()) return *conversation.stopped();
    if (reply.ok == 0) return error_of(reply);
    if (conversation.ended_by(reply.video)) return {};
    std::optional<Answer> answer = conversation.answer_to(reply.video, room);
    if (!answer) return give_up(DecoderKind::kVideos, outcome, deadline);
    answer->sequence = request.sequence;
    said = child.send(*answer);
  }
}

}  // namespace ocelli::media
