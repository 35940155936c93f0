#include "pseudo_terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>

namespace ocelli::test {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_until(Clock::time_point end) {
  return std::chrono::duration<double>(end - Clock::now()).count();
}

Clock::time_point after(double seconds) {
  return Clock::now() +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

PseudoTerminal::PseudoTerminal(std::vector<std::string> arguments, TerminalOptions options)
    : home_(options.home.empty() ? folder_.file("home/ocelli") : options.home) {
  std::map<std::string, std::string> variables{{"TERM", "xterm-256color"}};
  for (const auto& [name, value] : options.environment) variables[name] = value;
  const Command command(program_words(options.wrapper, arguments), folder_.file("home"), home_,
                        variables);
  const std::string folder = options.folder.empty() ? folder_.path().string() : options.folder;

  master_ = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  EXPECT_GE(master_, 0);
  EXPECT_EQ(grantpt(master_), 0);
  EXPECT_EQ(unlockpt(master_), 0);
  char name[128];
  EXPECT_EQ(ptsname_r(master_, name, sizeof name), 0);
  // Kept open here, so that modes() works after the program has ended.
  slave_ = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  EXPECT_GE(slave_, 0);
  resize(options.columns, options.rows);
  pid_ = fork();
  if (pid_ == 0) {
    setsid();
    const int tty = open(name, O_RDWR);  // becomes the controlling terminal
    for (int fd = 0; fd < 3; ++fd) dup2(tty, fd);
    if (tty > 2) close(tty);
    if (chdir(folder.c_str()) == 0) execvpe(command.argv()[0], command.argv(), command.envp());
    _exit(127);
  }
  ended_ = pid_ < 0;
  EXPECT_FALSE(ended_);
}

PseudoTerminal::~PseudoTerminal() {
  if (!ended_) {
    kill_group(SIGKILL);
    waitpid(pid_, &wait_status_, 0);
  }
  close(slave_);
  close(master_);
}

void PseudoTerminal::kill_group(int number) const {
  if (!ended_) kill(pid_, number);
}

void PseudoTerminal::type(std::string_view bytes) {
  // The terminal's input buffer is small: read along, as a terminal does.
  while (!bytes.empty()) {
    pollfd fd = {master_, POLLIN | POLLOUT, 0};
    if (poll(&fd, 1, int(1000 * kPatience)) <= 0) {
      ADD_FAILURE() << "the program does not read what is typed";
      return;
    }
    if (fd.revents & POLLIN) read_more(0);
    if (!(fd.revents & POLLOUT)) continue;
    const ssize_t n = write(master_, bytes.data(), std::min<size_t>(bytes.size(), 512));
    if (n <= 0) {
      ADD_FAILURE() << "the terminal is gone";
      return;
    }
    bytes.remove_prefix(size_t(n));
  }
}

bool PseudoTerminal::read_more(double seconds) {
  pollfd fd = {master_, POLLIN, 0};
  if (poll(&fd, 1, std::max(0, int(seconds * 1000))) <= 0) return false;
  char bytes[1 << 14];
  const ssize_t n = read(master_, bytes, sizeof bytes);
  if (n <= 0) return false;
  output_.append(bytes, size_t(n));
  return true;
}

size_t PseudoTerminal::expect_any(const std::vector<std::string>& texts, double seconds) {
  const auto end = after(seconds);
  for (;;) {
    size_t best = std::string::npos, which = 0;
    for (size_t i = 0; i < texts.size(); ++i) {
      const size_t at = output_.find(texts[i], seen_);
      if (at < best) best = at, which = i;
    }
    if (best != std::string::npos) {
      seen_ = best + texts[which].size();
      return which;
    }
    if (seconds_until(end) <= 0) break;
    read_more(std::min(0.2, std::max(0.0, seconds_until(end))));
  }
  ADD_FAILURE() << "\"" << texts[0] << "\" did not come; the terminal shows:\n"
                << without_escapes(output_.substr(seen_));
  return texts.size();
}

std::string PseudoTerminal::expect(std::string_view text, double seconds) {
  const size_t from = seen_;
  if (expect_any({std::string(text)}, seconds) != 0) return "";
  return output_.substr(from, seen_ - from - text.size());
}

std::string PseudoTerminal::ask(const std::string& line, double seconds) {
  type(line + "\r");
  expect("\033[?2004l", seconds);  // the line was taken
  const std::string printed = expect("\033[?2004h", seconds);
  expect(">>> ", seconds);
  return without_escapes(printed);
}

void PseudoTerminal::resize(int columns, int rows) {
  winsize size = {};
  size.ws_col = (unsigned short)(columns);
  size.ws_row = (unsigned short)(rows);
  EXPECT_EQ(ioctl(master_, TIOCSWINSZ, &size), 0);
}

int PseudoTerminal::wait(double seconds) {
  const auto end = after(seconds);
  while (!ended_ && seconds_until(end) > 0) {
    read_more(0.01);
    ended_ = waitpid(pid_, &wait_status_, WNOHANG) == pid_;
  }
  if (!ended_) {
    ADD_FAILURE() << "the program did not end; the terminal shows:\n" << without_escapes(output_);
    kill_group(SIGKILL);
    waitpid(pid_, &wait_status_, 0);
    ended_ = true;
  }
  while (read_more(0)) {
  }
  return WIFSIGNALED(wait_status_) ? -WTERMSIG(wait_status_) : WEXITSTATUS(wait_status_);
}

termios PseudoTerminal::modes() const {
  termios out = {};
  EXPECT_EQ(tcgetattr(slave_, &out), 0);
  return out;
}

void PseudoTerminal::set_modes(const termios& modes) const {
  EXPECT_EQ(tcsetattr(slave_, TCSANOW, &modes), 0);
}

std::string without_escapes(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\r') continue;
    if (text[at] != '\033') {
      out += text[at];
      continue;
    }
    if (at + 1 >= text.size()) break;
    const char kind = text[++at];
    if (kind == '[') {  // CSI: to a letter
      while (at + 1 < text.size() && (text[at + 1] < '@' || text[at + 1] > '~')) ++at;
      ++at;
    } else if (kind == ']' || kind == 'P' || kind == '_') {  // to ST or BEL
      while (at + 1 < text.size() && text[at] != '\a' && text.substr(at, 2) != "\033\\") ++at;
      if (text[at] == '\033') ++at;
    }
  }
  return out;
}

}  // namespace ocelli::test
