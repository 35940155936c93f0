// The parent's end of one running decoder process. Internal to this room.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <thread>

#include "base/result.h"
#include "media/decoder_wire.h"
#include "media/unique_fd.h"

namespace ocelli::media {

// kHeif is for HEIC and AVIF: like FFmpeg for videos, their libraries must be loaded before the
// child confines itself, and would cost each start for other pictures 3 ms.
enum class DecoderKind { kPictures, kHeif, kVideos };
inline constexpr size_t kDecoderKinds = 3;

// "the picture decoder failed (WHY); ..."
base::Error decoder_failed(DecoderKind kind, const std::string& why);

// A thread of its own starts the child and waits for its end: the child asks the kernel to be
// killed with the thread that started it, which must therefore not be a passing worker.
class DecoderLink {
 public:
  static base::Result<std::unique_ptr<DecoderLink>> start(DecoderKind kind,
                                                          const std::string& program,
                                                          double deadline_seconds);
  ~DecoderLink() { end(); }

  pid_t pid() const { return pid_; }
  double busy_seconds = 0;
  uint32_t sequence = 0;

  bool alive_and_quiet() const;
  bool send(const Request& request, int input, int output) const;
  bool send(const Answer& answer) const;

  enum class Wait { kReady, kGone, kTooLate };
  // Until a whole message of the child is in `reply`.
  Wait receive(double deadline_seconds, Reply& reply) const;

  // Kills it if it still runs and says how it ended.
  std::string end();

 private:
  DecoderLink() = default;

  UniqueFd socket_;
  pid_t pid_ = 0;
  std::thread keeper_;
};

// The error that a reply carries.
base::Error error_of(const Reply& reply);

}  // namespace ocelli::media
