#include "media/decoder_child.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <span>
#include <string_view>

#include "media/confine.h"
#include "media/decoder_link.h"
#include "media/decoder_wire.h"
#include "media/ffmpeg.h"
#include "media/heif_libraries.h"
#include "media/unique_fd.h"

namespace ocelli::media {
namespace {

std::atomic<bool> offered{false};

void set_error(Reply& reply, const base::Error& error) {
  reply.ok = 0;
  reply.code = uint32_t(error.code);
  reply.what_bytes = uint32_t(std::min(error.what.size(), sizeof reply.what));
  std::memcpy(reply.what, error.what.data(), reply.what_bytes);
}

bool send_reply(const Reply& reply) {
  iovec part = {const_cast<Reply*>(&reply), sizeof reply};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  ssize_t sent;
  do {
    sent = sendmsg(kDecoderSocket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == ssize_t(sizeof reply);
}

struct Incoming {
  Request request;
  UniqueFd input, output;
};

// False where the parent is gone or says something else than a request.
bool receive(Incoming& incoming) {
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
  iovec part = {&incoming.request, sizeof incoming.request};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got;
  do {
    got = recvmsg(kDecoderSocket, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (got != ssize_t(sizeof incoming.request) || incoming.request.magic != kWireMagic ||
      header == nullptr || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(2 * sizeof(int))) {
    return false;
  }
  int fds[2];
  std::memcpy(fds, CMSG_DATA(header), sizeof fds);
  incoming.input = UniqueFd(fds[0]);
  incoming.output = UniqueFd(fds[1]);
  return true;
}

bool receive_answer(Answer& answer) {
  iovec part = {&answer, sizeof answer};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  ssize_t got;
  do {
    got = recvmsg(kDecoderSocket, &message, 0);
  } while (got < 0 && errno == EINTR);
  return got == ssize_t(sizeof answer) && answer.magic == kWireMagic;
}

// Memory shared with the parent, while in scope.
class Mapping {
 public:
  Mapping(const UniqueFd& fd, size_t bytes, int protection, int flags)
      : bytes_(bytes), data_(mmap(nullptr, bytes, protection, flags, fd.get(), 0)) {}
  Mapping(const Mapping&) = delete;
  ~Mapping() {
    if (ok()) munmap(data_, bytes_);
  }
  bool ok() const { return data_ != MAP_FAILED; }
  std::byte* data() const { return static_cast<std::byte*>(data_); }

 private:
  size_t bytes_;
  void* data_;
};

void answer(const Incoming& incoming, Reply& reply) {
  const Request& request = incoming.request;
  const Mapping input(incoming.input, request.input_bytes, PROT_READ, MAP_PRIVATE);
  const Mapping output(incoming.output, request.output_bytes, PROT_READ | PROT_WRITE, MAP_SHARED);
  if (!input.ok() || !output.ok()) {
    return set_error(reply, base::fail(base::Code::kDoesNotFit,
                                       "no memory for the picture; scale it down first"));
  }
  const std::span<uint8_t> pixels(reinterpret_cast<uint8_t*>(output.data()), request.output_bytes);
  const auto facts = decode_into({input.data(), request.input_bytes}, request.options, pixels);
  if (!facts.ok()) return set_error(reply, facts.error());
  reply.ok = 1;
  reply.mode = uint8_t(facts->mode);
  reply.had_alpha = facts->had_alpha;
  reply.damaged = facts->damaged;
}

// The child's part of the conversation about a video.
class VideoTalk {
 public:
  VideoTalk(const Incoming& incoming, std::span<std::byte> room)
      : sequence_(incoming.request.sequence), room_(room) {}

  base::Result<std::vector<int64_t>> choose(const VideoInfo& info) {
    VideoReply told;
    told.steady = info.steady;
    told.width = info.width;
    told.height = info.height;
    told.turned = info.turned;
    told.frames = info.frames;
    told.fps = info.fps;
    told.seconds = info.seconds;
    info.codec.copy(told.codec, sizeof told.codec);
    OCELLI_ASSIGN(const Answer answer, say(told));
    const size_t count = std::min<size_t>(answer.wanted, kMaxSampledFrames);
    return std::vector<int64_t>(answer.indices, answer.indices + count);
  }

  base::Status give(const VideoFrame& frame) {
    const auto pixels = std::as_bytes(std::span(frame.image.rgb));
    OCELLI_CHECK(pixels.size() <= room_.size(), "the parent made room for the largest frame");
    std::copy(pixels.begin(), pixels.end(), room_.begin());
    VideoReply told;
    told.is_frame = 1;
    told.width = frame.image.width;
    told.height = frame.image.height;
    told.turned = frame.image.facts.exif_orientation;
    told.index = frame.index;
    told.seconds = frame.seconds;
    const auto answer = say(told);
    return answer.ok() ? base::Status() : base::Status(answer.error());
  }

 private:
  base::Result<Answer> say(const VideoReply& told) const {
    Reply reply;
    reply.sequence = sequence_;
    reply.ok = 1;
    reply.video = told;
    Answer answer;
    if (!send_reply(reply) || !receive_answer(answer) || answer.go_on == 0)
      return base::fail(base::Code::kInterrupted, "stopped");
    return answer;
  }

  uint32_t sequence_;
  std::span<std::byte> room_;
};

void answer_video(const Incoming& incoming, Reply& reply) {
  const Request& request = incoming.request;
  const Mapping input(incoming.input, request.input_bytes, PROT_READ, MAP_PRIVATE);
  const Mapping output(incoming.output, request.output_bytes, PROT_READ | PROT_WRITE, MAP_SHARED);
  if (!input.ok() || !output.ok()) {
    return set_error(
        reply, base::fail(base::Code::kDoesNotFit, "no memory for the video; scale it down first"));
  }
  VideoTalk talk(incoming, {output.data(), request.output_bytes});
  const base::Status done = read_video(
      {input.data(), request.input_bytes}, [&](const VideoInfo& info) { return talk.choose(info); },
      [&](const VideoFrame& frame) { return talk.give(frame); }, request.video);
  reply.ok = 1;
  if (!done.ok()) set_error(reply, done.error());
}

int serve(DecoderKind kind) {
  const bool videos = kind == DecoderKind::kVideos;
  struct stat socket_facts = {};
  if (fstat(kDecoderSocket, &socket_facts) != 0 || !S_ISSOCK(socket_facts.st_mode)) {
    std::fputs("error: this option is for the program itself; see --help\n", stderr);
    return 2;
  }
  // While files can be opened. An error is told with the first video or picture.
  if (videos) static_cast<void>(ffmpeg());
  if (kind == DecoderKind::kHeif) static_cast<void>(load_heif_libraries());
  close_range(kDecoderSocket + 1, ~0U, 0);
  Reply hello;
  const base::Status confined = confine(videos ? kMaxVideoDecoderMemory : kMaxDecoderMemory);
  if (confined.ok()) {
    hello.ok = 1;
  } else {
    set_error(hello, confined.error());
  }
  if (!send_reply(hello) || !confined.ok()) return 10;
  for (;;) {
    Incoming incoming;
    if (!receive(incoming)) return 0;
    Reply reply;
    reply.sequence = incoming.request.sequence;
    videos ? answer_video(incoming, reply) : answer(incoming, reply);
    if (!send_reply(reply)) return 0;
  }
}

}  // namespace

std::optional<int> run_as_decoder(int argc, char** argv) {
  offered = true;
  if (argc != 2) return std::nullopt;
  const std::string_view argument = argv[1];
  const auto kind = std::ranges::find(kDecoderArguments, argument);
  if (kind == std::end(kDecoderArguments)) return std::nullopt;
  const int status = serve(DecoderKind(kind - kDecoderArguments));
  // No destructors and no sanitizer's last checks: they would need calls that are gone.
  if (status != 2) _exit(status);
  return status;
}

bool can_run_as_decoder() {
  return offered;
}

}  // namespace ocelli::media
