#include "media/decoder_process.h"

#include <fcntl.h>

#include <cmath>
#include <new>

#include "base/clock.h"
#include "media/confine.h"
#include "media/decoder_child.h"
#include "media/header.h"
#include "media/shared_memory.h"

namespace ocelli::media {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

DecoderProcess::DecoderProcess(DecoderProcessOptions options) : options_(std::move(options)) {}
DecoderProcess::~DecoderProcess() = default;

pid_t DecoderProcess::child_pid(DecoderKind kind) const {
  const std::lock_guard lock(mutex_);
  const auto& child = children_[size_t(kind)];
  return child == nullptr ? 0 : child->pid();
}

Status DecoderProcess::start() {
  const std::lock_guard lock(mutex_);
  return ensure_child(DecoderKind::kPictures);
}

Status DecoderProcess::ensure_child(DecoderKind kind) {
  constexpr double kReplaceAfterBusySeconds = kMaxDecoderCpuSeconds / 2;
  std::unique_ptr<DecoderLink>& child = child_of(kind);
  if (child != nullptr && child->alive_and_quiet() &&
      child->busy_seconds < kReplaceAfterBusySeconds) {
    return {};
  }
  child.reset();
  if (options_.program == DecoderProcessOptions().program && !can_run_as_decoder()) {
    return fail(Code::kInternal,
                "this program offers no decoder process; call media::run_as_decoder first in main");
  }
  OCELLI_ASSIGN(child, DecoderLink::start(kind, options_.program, options_.deadline_seconds));
  return {};
}

// Ends a child that did not answer as agreed.
base::Error DecoderProcess::give_up(DecoderKind kind, DecoderLink::Wait outcome, double deadline) {
  std::unique_ptr<DecoderLink>& child = child_of(kind);
  std::string why = child->end();
  child.reset();
  if (outcome == DecoderLink::Wait::kTooLate)
    why = "it took longer than " + std::to_string(int(std::ceil(deadline))) + " s";
  if (outcome == DecoderLink::Wait::kReady) why = "its answer makes no sense";
  return decoder_failed(kind, why);
}

Result<Image> DecoderProcess::decode(std::span<const std::byte> bytes,
                                     const DecodeOptions& options) {
  OCELLI_ASSIGN(const Header header, read_header(bytes, options.limits));
  const std::lock_guard lock(mutex_);
  const bool heif = header.format == Format::kHeic || header.format == Format::kAvif;
  const DecoderKind kind = heif ? DecoderKind::kHeif : DecoderKind::kPictures;
  OCELLI_TRY(ensure_child(kind));
  return decode_in_child(kind, bytes, header, options);
}

Result<Image> DecoderProcess::decode_in_child(DecoderKind kind, std::span<const std::byte> bytes,
                                              const Header& header, const DecodeOptions& options) {
  DecoderLink& child = *child_of(kind);
  Image image{header.upright_width(), header.upright_height(), {}, {}};
  const size_t pixel_bytes = image.row_bytes() * size_t(image.height);
  OCELLI_ASSIGN(const UniqueFd input, shared_memory(bytes.size(), F_SEAL_WRITE, bytes));
  OCELLI_ASSIGN(const UniqueFd output, shared_memory(pixel_bytes, 0, {}));
  Request request;
  request.sequence = ++child.sequence;
  request.input_bytes = bytes.size();
  request.output_bytes = pixel_bytes;
  request.options = options;
  const base::Stopwatch watch;
  Reply reply;
  auto outcome = DecoderLink::Wait::kGone;
  if (child.send(request, input.get(), output.get()))
    outcome = child.receive(options_.deadline_seconds, reply);
  child.busy_seconds += watch.seconds();
  if (outcome != DecoderLink::Wait::kReady || reply.sequence != request.sequence)
    return give_up(kind, outcome, options_.deadline_seconds);
  if (reply.ok == 0) return error_of(reply);
  if (reply.mode > uint8_t(kLastMode)) {
    return give_up(kind, outcome, options_.deadline_seconds);
  }
  try {
    image.rgb.resize(pixel_bytes);
  } catch (const std::bad_alloc&) {
    return fail(Code::kDoesNotFit, "no memory for the picture; scale it down first");
  }
  OCELLI_TRY(read_shared_memory(output, image.rgb));
  image.facts = facts_of(header);
  image.facts.mode = Mode(reply.mode);
  image.facts.had_alpha = reply.had_alpha != 0;
  image.facts.sixteen_bit_grey = saturates(image.facts.mode);
  image.facts.damaged = reply.damaged != 0;
  return image;
}

}  // namespace ocelli::media
