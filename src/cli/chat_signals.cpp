#include "cli/chat_signals.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "base/check.h"
#include "base/file.h"

namespace ocelli::cli {

namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT};

// What the handler may touch: atomics that need no lock, and write().
std::atomic<bool> interrupted, resized, continued;
std::atomic<int> stops;
std::atomic<const base::CancelToken*> turn;
std::atomic<int> wake_write{-1};
int wake_read = -1;
struct sigaction before[std::size(kSignals)];

void handle(int number) {
  const int saved = errno;
  if (number == SIGWINCH) resized = true;
  if (number == SIGCONT) continued = true;
  if (number == SIGINT) interrupted = true;
  if (number == SIGTERM || number == SIGHUP) {
    if (stops.fetch_add(1) > 0) std::_Exit(int(base::Code::kInterrupted));
  }
  if (number == SIGINT || number == SIGTERM || number == SIGHUP) {
    if (const base::CancelToken* token = turn.load()) token->request();
  }
  const char byte = 0;
  // A full pipe wakes as well.
  [[maybe_unused]] const ssize_t put = write(wake_write.load(), &byte, 1);
  errno = saved;
}

}  // namespace

base::Status ChatSignals::install() {
  OCELLI_CHECK(wake_read < 0, "one chat at a time");
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return base::errno_error(errno, "make", "a pipe");
  wake_read = ends[0];
  wake_write = ends[1];
  interrupted = resized = continued = false;
  stops = 0;
  struct sigaction action = {};
  action.sa_handler = handle;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &action, &before[i]);
  return {};
}

ChatSignals::~ChatSignals() {
  if (wake_read < 0) return;
  for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before[i], nullptr);
  turn = nullptr;
  close(wake_write.exchange(-1));
  close(wake_read);
  wake_read = -1;
}

int ChatSignals::wake_fd() const {
  return wake_read;
}

bool ChatSignals::wait_readable(int fd, int timeout_ms) const {
  pollfd fds[2] = {{fd, POLLIN, 0}, {wake_read, POLLIN, 0}};
  // An interrupted call is one with a byte in the pipe: the next one returns at once.
  while (poll(fds, 2, timeout_ms) < 0 && errno == EINTR) {
  }
  if (fds[1].revents == 0) return fds[0].revents != 0;
  char bytes[64];
  while (read(wake_read, bytes, sizeof bytes) > 0) {
  }
  return false;
}

bool ChatSignals::take_interrupt() const {
  return interrupted.exchange(false);
}
bool ChatSignals::take_resize() const {
  return resized.exchange(false);
}
bool ChatSignals::take_continue() const {
  return continued.exchange(false);
}
bool ChatSignals::stop_requested() const {
  return stops.load() > 0;
}
void ChatSignals::set_turn(const base::CancelToken* token) const {
  turn = token;
  // One that came just before.
  if (token && (stops.load() > 0 || interrupted.load())) token->request();
}

}  // namespace ocelli::cli
