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
#include <span>
#include <string_view>

#include "media/confine.h"
#include "media/decoder_wire.h"
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

int serve() {
  struct stat socket_facts = {};
  if (fstat(kDecoderSocket, &socket_facts) != 0 || !S_ISSOCK(socket_facts.st_mode)) {
    std::fputs("error: this option is for the program itself; see --help\n", stderr);
    return 2;
  }
  close_range(kDecoderSocket + 1, ~0U, 0);
  Reply hello;
  const base::Status confined = confine();
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
    answer(incoming, reply);
    if (!send_reply(reply)) return 0;
  }
}

}  // namespace

std::optional<int> run_as_decoder(int argc, char** argv) {
  offered = true;
  if (argc != 2 || std::string_view(argv[1]) != kDecoderArgument) return std::nullopt;
  const int status = serve();
  // No destructors and no sanitizer's last checks: they would need calls that are gone.
  if (status != 2) _exit(status);
  return status;
}

bool can_run_as_decoder() {
  return offered;
}

}  // namespace ocelli::media
