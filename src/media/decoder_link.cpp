#include "media/decoder_link.h"

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

#include "base/clock.h"
#include "base/signals_blocked.h"
#include "media/decoder_child.h"
#include "media/decoder_spawn.h"

namespace ocelli::media {

using base::Code;
using base::Error;
using base::fail;
using base::Result;

namespace {

const char* noun(DecoderKind kind) {
  return kind == DecoderKind::kVideos ? "video" : "picture";
}

}  // namespace

Error decoder_failed(DecoderKind kind, const std::string& why) {
  const std::string name = noun(kind);
  return fail(Code::kBadInput, "the " + name + " decoder failed (" + why + "); save the " + name +
                                   " again in another format");
}

DecoderLink::Wait DecoderLink::receive(double deadline_seconds, Reply& reply) const {
  const base::Stopwatch watch;
  for (;;) {
    const double left = std::max(0.0, deadline_seconds - watch.seconds());
    pollfd poll_socket = {socket_.get(), POLLIN, 0};
    const int ready = poll(&poll_socket, 1, int(std::min(std::ceil(left * 1000), 1e9)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return Wait::kTooLate;
    const ssize_t got = recv(socket_.get(), &reply, sizeof reply, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    return got == ssize_t(sizeof reply) && reply.magic == kWireMagic ? Wait::kReady : Wait::kGone;
  }
}

bool DecoderLink::send(const Request& request, int input, int output) const {
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
    sent = sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent == ssize_t(sizeof request);
}

bool DecoderLink::send(const Answer& answer) const {
  ssize_t sent;
  do {
    sent = ::send(socket_.get(), &answer, sizeof answer, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent == ssize_t(sizeof answer);
}

bool DecoderLink::alive_and_quiet() const {
  pollfd p = {socket_.get(), POLLIN, 0};
  return poll(&p, 1, 0) == 0;
}

Error error_of(const Reply& reply) {
  const std::string_view what(reply.what, std::min<size_t>(reply.what_bytes, sizeof reply.what));
  const bool fits = reply.code == uint32_t(Code::kDoesNotFit);
  return fail(fits ? Code::kDoesNotFit : Code::kBadInput, base::printable(what, sizeof reply.what));
}

Result<std::unique_ptr<DecoderLink>> DecoderLink::start(DecoderKind kind,
                                                        const std::string& program,
                                                        double deadline_seconds) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    return cannot_start("socket", errno);
  }
  std::unique_ptr<DecoderLink> child(new DecoderLink);
  child->socket_ = UniqueFd(pair[0]);
  UniqueFd low(pair[1]);
  // Above the numbers that the child fills: a program started with closed stdin gets low ones.
  UniqueFd theirs(fcntl(low.get(), F_DUPFD_CLOEXEC, kDecoderSocket + 1));
  if (!theirs) return cannot_start("socket", errno);
  low.reset();
  std::promise<int> started;
  try {
    const base::SignalsBlocked blocked;
    child->keeper_ = std::thread([&started, kind, &program, &theirs, pid = &child->pid_] {
      pid_t mine = 0;
      const int error = spawn_decoder(program, kDecoderArguments[size_t(kind)], theirs.get(), mine);
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
  if (child->receive(deadline_seconds, hello) != Wait::kReady) {
    return fail(Code::kInternal, std::string("the ") + noun(kind) + " decoder does not start (" +
                                     child->end() + "); run the program's doctor command");
  }
  if (hello.ok == 0) return fail(Code::kInternal, error_of(hello).what);
  return child;
}

std::string DecoderLink::end() {
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

}  // namespace ocelli::media
