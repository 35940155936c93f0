#include "cli/terminal_features.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/clock.h"
#include "cli/terminal.h"

namespace ocelli::cli {

namespace {

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool has_sixel(std::string_view attributes) {
  if (attributes.starts_with('?')) attributes.remove_prefix(1);
  // The first number is the class of the terminal.
  for (size_t at = attributes.find(';'); at != std::string_view::npos;
       at = attributes.find(';', at + 1)) {
    const std::string_view rest = attributes.substr(at + 1);
    if (rest.substr(0, rest.find(';')) == "4") return true;
  }
  return false;
}

// The answer "ESC [ ? ... c" in `bytes`, taken out of it; "" while there is none.
std::string take_answer(std::string& bytes) {
  const size_t begin = bytes.find("\033[?");
  if (begin == std::string::npos) return "";
  const size_t end = bytes.find_first_not_of("0123456789;", begin + 3);
  if (end == std::string::npos || bytes[end] != 'c') return "";
  std::string answer = bytes.substr(begin + 2, end - begin - 2);
  bytes.erase(begin, end + 1 - begin);
  return answer;
}

}  // namespace

std::string from_environment(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

bool wants_colour(const Environment& environment) {
  return environment("NO_COLOR").empty() && environment("TERM") != "dumb";
}

ImageStyle style_for(Protocol protocol, const Environment& environment) {
  ImageStyle style;
  style.protocol = protocol;
  const std::string colours = environment("COLORTERM"), term = environment("TERM");
  style.truecolor =
      colours == "truecolor" || colours == "24bit" || has(term, "direct") || has(term, "kitty");
  style.tmux = !environment("TMUX").empty();
  return style;
}

ImageStyle detect_images(const Environment& environment, const std::function<std::string()>& ask) {
  const std::string term = environment("TERM"), program = environment("TERM_PROGRAM");
  if (term.empty() || term == "dumb") return style_for(Protocol::kNone, environment);
  const bool multiplexer = !environment("TMUX").empty() || !environment("STY").empty();
  if (!multiplexer) {
    if (!environment("KITTY_WINDOW_ID").empty() || has(term, "kitty") || has(term, "ghostty") ||
        program == "ghostty")
      return style_for(Protocol::kKitty, environment);
    if (program == "iTerm.app" || program == "WezTerm" || program == "mintty" ||
        environment("LC_TERMINAL") == "iTerm2")
      return style_for(Protocol::kIterm, environment);
  }
  if (has_sixel(ask())) return style_for(Protocol::kSixel, environment);
  ImageStyle blocks = style_for(Protocol::kBlocks, environment);
  const bool colours = blocks.truecolor || has(term, "256color");
  if (!colours || !wants_colour(environment)) blocks.protocol = Protocol::kNone;
  return blocks;
}

std::string ask_device_attributes(int timeout_ms, std::string& typed) {
  termios before;
  if (tcgetattr(STDIN_FILENO, &before) != 0) return "";
  termios raw = before;
  raw.c_lflag &= ~tcflag_t(ICANON | ECHO);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0) return "";
  std::string answer;
  if (print("\033[c").ok()) {
    const base::Stopwatch watch;
    for (;;) {
      const int left = timeout_ms - int(watch.seconds() * 1000);
      pollfd fd = {STDIN_FILENO, POLLIN, 0};
      if (left <= 0 || (poll(&fd, 1, left) <= 0 && errno != EINTR)) break;
      char bytes[256];
      const ssize_t n = fd.revents ? read(STDIN_FILENO, bytes, sizeof bytes) : 0;
      if (n > 0) typed.append(bytes, size_t(n));
      answer = take_answer(typed);
      if (!answer.empty() || (fd.revents && n <= 0)) break;
    }
  }
  tcsetattr(STDIN_FILENO, TCSANOW, &before);
  return answer;
}

void fit_to_terminal(ImageStyle& style) {
  winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return;
  if (size.ws_col > 0) style.columns = std::min(style.columns, std::max(1, size.ws_col - 1));
  if (size.ws_row > 0) style.rows = std::clamp(size.ws_row - 2, 1, style.rows);
  if (size.ws_xpixel > 0 && size.ws_ypixel > 0 && size.ws_col > 0 && size.ws_row > 0) {
    style.cell_width = std::max(1, size.ws_xpixel / size.ws_col);
    style.cell_height = std::max(1, size.ws_ypixel / size.ws_row);
  }
}

}  // namespace ocelli::cli
