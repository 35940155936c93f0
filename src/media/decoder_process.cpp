#include "media/decoder_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstring>
#include <future>
#include <system_error>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "media/confine.h"
#include "media/decoder_child.h"
#include "media/decoder_spawn.h"
#include "media/decoder_wire.h"
#include "media/header.h"
#include "media/shared_memory.h"
#include "media/unique_fd.h"

namespace ocelli::media {

using base::Code;
using base::Error;
using base::fail;
using base::Result;
using base::Status;

namespace {

Error decoder_failed(const std::string& why) {
  return fail(Code::kBadInput,
              "the picture decoder failed (" + why + "); save the picture again in another format");
}

enum class Wait { kReady, kGone, kTooLate };

// Until a whole message of the child is in `reply`.
Wait receive(int socket, double deadline_seconds, Reply& reply) {
  const base::Stopwatch watch;
  for (;;) {
    const double left = std::max(0.0, deadline_seconds - watch.seconds());
    pollfd poll_socket = {socket, POLLIN, 0};
    const int ready = poll(&poll_socket, 1, int(std::min(std::ceil(left * 1000), 1e9)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return Wait::kTooLate;
    const ssize_t got = recv(socket, &reply, sizeof reply, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    return got == ssize_t(sizeof reply) && reply.magic == kWireMagic ? Wait::kReady : Wait::kGone;
  }
}

bool send_request(int socket, const Request& request, int input, int output) {
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
  iovec part = {const_cast<Request*>(&request), sizeof request};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(2 * sizeof(int));
  const int fds[2] = {input, output};
  std::memcpy(CMSG_DATA(header), fds, sizeof fds);
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent == ssize_t(sizeof request);
}

Error error_of(const Reply& reply) {
  const std::string_view what(reply.what, std::min<size_t>(reply.what_bytes, sizeof reply.what));
  const bool fits = reply.code == uint32_t(Code::kDoesNotFit);
  return fail(fits ? Code::kDoesNotFit : Code::kBadInput, base::printable(what, sizeof reply.what));
}

}  // namespace

// One running child. A thread of its own starts it and waits for its end: the child asks the kernel
// to be killed with the thread that started it, which must therefore not be a passing worker.
class DecoderProcess::Child {
 public:
  static Result<std::unique_ptr<Child>> start(const DecoderProcessOptions& options);
  ~Child() { end(); }

  int socket() const { return socket_.get(); }
  pid_t pid() const { return pid_; }
  double busy_seconds = 0;
  uint32_t sequence = 0;

  bool alive_and_quiet() const {
    pollfd p = {socket_.get(), POLLIN, 0};
    return poll(&p, 1, 0) == 0;
  }

  // Kills it if it still runs and says how it ended.
  std::string end();

 private:
  Child() = default;

  UniqueFd socket_;
  pid_t pid_ = 0;
  std::thread keeper_;
};

Result<std::unique_ptr<DecoderProcess::Child>> DecoderProcess::Child::start(
    const DecoderProcessOptions& options) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    return cannot_start("socket", errno);
  }
  std::unique_ptr<Child> child(new Child);
  child->socket_ = UniqueFd(pair[0]);
  UniqueFd low(pair[1]);
  // Above the numbers that the child fills: a program started with closed stdin gets low ones.
  UniqueFd theirs(fcntl(low.get(), F_DUPFD_CLOEXEC, kDecoderSocket + 1));
  if (!theirs) return cannot_start("socket", errno);
  low.reset();
  std::promise<int> started;
  try {
    child->keeper_ = std::thread([&started, &options, &theirs, pid = &child->pid_] {
      pid_t mine = 0;
      const int error = spawn_decoder(options.program, theirs.get(), mine);
      *pid = mine;
      started.set_value(error);
      if (error != 0) return;
      // Waits without reaping: the id stays ours until end() has signalled and reaped it.
      siginfo_t info;
      while (waitid(P_PID, id_t(mine), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
      }
    });
  } catch (const std::system_error& error) {
    return cannot_start("thread", error.code().value());
  }
  const int error = started.get_future().get();
  theirs.reset();
  if (error != 0) {
    child->pid_ = 0;
    return cannot_start("process", error);
  }
  Reply hello;
  if (receive(child->socket(), options.deadline_seconds, hello) != Wait::kReady) {
    return fail(Code::kInternal, "the picture decoder does not start (" + child->end() +
                                     "); run the program's doctor command");
  }
  if (hello.ok == 0) return fail(Code::kInternal, error_of(hello).what);
  return child;
}

std::string DecoderProcess::Child::end() {
  if (pid_ == 0) {
    if (keeper_.joinable()) keeper_.join();
    return "it never ran";
  }
  const pid_t pid = std::exchange(pid_, 0);
  kill(pid, SIGKILL);  // changes nothing about a child that is ending already
  keeper_.join();
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) return "it was ended by signal " + std::to_string(WTERMSIG(status));
  return "it exited with status " + std::to_string(WEXITSTATUS(status));
}

DecoderProcess::DecoderProcess(DecoderProcessOptions options) : options_(std::move(options)) {}
DecoderProcess::~DecoderProcess() = default;

pid_t DecoderProcess::child_pid() const {
  const std::lock_guard lock(mutex_);
  return child_ == nullptr ? 0 : child_->pid();
}

Status DecoderProcess::start() {
  const std::lock_guard lock(mutex_);
  return ensure_child();
}

Status DecoderProcess::ensure_child() {
  constexpr double kReplaceAfterBusySeconds = kMaxDecoderCpuSeconds / 2;
  if (child_ != nullptr && child_->alive_and_quiet() &&
      child_->busy_seconds < kReplaceAfterBusySeconds) {
    return {};
  }
  child_.reset();
  if (options_.program == DecoderProcessOptions().program && !can_run_as_decoder()) {
    return fail(
        Code::kInternal,
        "this program offers no picture decoder process; call media::run_as_decoder first in main");
  }
  OCELLI_ASSIGN(child_, Child::start(options_));
  return {};
}

Result<Image> DecoderProcess::decode(std::span<const std::byte> bytes,
                                     const DecodeOptions& options) {
  OCELLI_ASSIGN(const Header header, read_header(bytes, options.limits));
  const std::lock_guard lock(mutex_);
  OCELLI_TRY(ensure_child());
  return decode_in_child(bytes, header, options);
}

Result<Image> DecoderProcess::decode_in_child(std::span<const std::byte> bytes,
                                              const Header& header, const DecodeOptions& options) {
  Image image{header.upright_width(), header.upright_height(), {}, {}};
  const size_t pixel_bytes = image.row_bytes() * size_t(image.height);
  OCELLI_ASSIGN(const UniqueFd input, shared_memory(bytes.size(), F_SEAL_WRITE, bytes));
  OCELLI_ASSIGN(const UniqueFd output, shared_memory(pixel_bytes, 0, {}));
  Request request;
  request.sequence = ++child_->sequence;
  request.input_bytes = bytes.size();
  request.output_bytes = pixel_bytes;
  request.options = options;
  const base::Stopwatch watch;
  Reply reply;
  Wait outcome = Wait::kGone;
  if (send_request(child_->socket(), request, input.get(), output.get())) {
    outcome = receive(child_->socket(), options_.deadline_seconds, reply);
  }
  child_->busy_seconds += watch.seconds();
  if (outcome != Wait::kReady || reply.sequence != request.sequence) {
    std::string why = child_->end();
    child_.reset();
    if (outcome == Wait::kTooLate) {
      why =
          "it took longer than " + std::to_string(int(std::ceil(options_.deadline_seconds))) + " s";
    }
    return decoder_failed(why);
  }
  if (reply.ok == 0) return error_of(reply);
  if (reply.mode > uint8_t(kLastMode)) {
    child_.reset();
    return decoder_failed("its answer makes no sense");
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
