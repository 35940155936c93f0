// Decoding in one long-lived, confined child process: a broken codec costs one picture.
//
//   int main(int argc, char** argv) {
//     if (const auto status = media::run_as_decoder(argc, argv)) return *status;   //
//     decoder_child.h
//     ...
//     media::DecoderProcess decoder;
//     OCELLI_ASSIGN(const media::Image image, decoder.decode(bytes));
//
// The child is this program again (exec, not a bare fork): it starts with a clean address space,
// so a taken-over codec finds no prompt, picture or key of anybody, costs no copied page tables
// beside a large model, inherits no lock of another thread, and lies at other random addresses.
// It confines itself (confine.h) before it reads a byte. Each picture travels in two sealed
// memfds, the file and exactly enough room for the pixels, which nobody else ever sees.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "base/result.h"
#include "media/decode.h"
#include "media/decoder_link.h"
#include "media/header.h"
#include "media/video.h"

namespace ocelli::media {

struct DecoderProcessOptions {
  double deadline_seconds = 10;            // for one picture, and for the child to start
  double video_deadline_seconds = 60;      // for one video
  std::string program = "/proc/self/exe";  // must call run_as_decoder
};

class DecoderProcess {
 public:
  // Starts nothing yet.
  explicit DecoderProcess(DecoderProcessOptions options = {});
  ~DecoderProcess();  // ends the child
  DecoderProcess(const DecoderProcess&) = delete;
  DecoderProcess& operator=(const DecoderProcess&) = delete;

  // Starts the child if there is none. Calling it early finds out whether confinement works here.
  // Errors (kInternal): no process, no seccomp, or the program never called run_as_decoder.
  base::Status start();

  // As decode() of decode.h, and the same errors. A child that crashes, is killed or is too slow
  // costs this one call (kBadInput, "the picture decoder failed (WHY); ..."); the next call starts
  // another. A child that died while idle is replaced silently. Any thread may call; one picture
  // is decoded at a time.
  base::Result<Image> decode(std::span<const std::byte> bytes, const DecodeOptions& options = {});

  // As read_video() of video.h, and the same errors, in a child of its own kind. What the child
  // says is tested against the limits; `choose` and `sink` run here and must not call this object.
  // Memory here: the file and one frame.
  base::Status read_video(std::span<const std::byte> bytes, const FrameChooser& choose,
                          const FrameSink& sink, const VideoLimits& limits = {});

  // The child's process id, 0 where there is none. For messages and tests.
  pid_t child_pid(DecoderKind kind = DecoderKind::kPictures) const;

 private:
  std::unique_ptr<DecoderLink>& child_of(DecoderKind kind) { return children_[size_t(kind)]; }
  base::Status ensure_child(DecoderKind kind);
  base::Error give_up(DecoderKind kind, DecoderLink::Wait outcome, double deadline);
  base::Result<Image> decode_in_child(DecoderKind kind, std::span<const std::byte> bytes,
                                      const Header& header, const DecodeOptions& options);

  const DecoderProcessOptions options_;
  mutable std::mutex mutex_;
  std::array<std::unique_ptr<DecoderLink>, kDecoderKinds> children_;
};

}  // namespace ocelli::media
