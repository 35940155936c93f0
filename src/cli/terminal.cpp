#include "cli/terminal.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/file.h"

namespace ocelli::cli {

namespace {
constexpr int kBarWidth = 30;
}

bool stdout_is_terminal() {
  return isatty(STDOUT_FILENO) == 1;
}
bool stderr_is_terminal() {
  return isatty(STDERR_FILENO) == 1;
}

base::Status print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDOUT_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EPIPE) {
      return base::fail(base::Code::kInterrupted, "the reader of the output went away");
    }
    if (n < 0) return base::errno_error(errno, "write", "standard output");
    text.remove_prefix(size_t(n));
  }
  return {};
}

void note(std::string_view text) {
  std::fprintf(stderr, "%s\n", base::printable(text, 4000).c_str());
}
void warn(std::string_view text) {
  std::fprintf(stderr, "warning: %s\n", base::printable(text, 4000).c_str());
}

ProgressBar::ProgressBar(bool enabled) : enabled_(enabled && stderr_is_terminal()) {}
ProgressBar::~ProgressBar() {
  clear();
}

void ProgressBar::update(double fraction, std::string_view text) {
  if (!enabled_ || since_start_.seconds() < 0.3 || (drawn_ && since_drawn_.seconds() < 0.1)) return;
  const int full = std::clamp(int(fraction * kBarWidth), 0, kBarWidth);
  std::string bar(size_t(full), '#');
  bar.resize(kBarWidth, '.');
  std::fprintf(stderr, "\r\033[K[%s] %3d%% %s", bar.c_str(),
               std::clamp(int(fraction * 100), 0, 100), base::printable(text, 60).c_str());
  std::fflush(stderr);
  drawn_ = true;
  since_drawn_ = {};
}

void ProgressBar::clear() {
  if (!drawn_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

namespace {

std::string with_digits(double value, const char* unit) {
  char text[64];
  std::snprintf(text, sizeof text,
                value >= 100  ? "%.0f %s"
                : value >= 10 ? "%.1f %s"
                              : "%.2f %s",
                value, unit);
  return text;
}

}  // namespace

std::string bytes_text(int64_t bytes) {
  const auto b = double(bytes);
  if (b >= 1 << 30) return with_digits(b / (1 << 30), "GiB");
  if (b >= 1 << 20) return with_digits(b / (1 << 20), "MiB");
  if (b >= 1 << 10) return with_digits(b / (1 << 10), "KiB");
  return std::to_string(bytes) + " B";
}

std::string seconds_text(double s) {
  return s >= 1 ? with_digits(s, "s") : with_digits(s * 1000, "ms");
}

std::string label_text(std::string_view key, size_t width) {
  for (const std::string_view unit : {"_seconds", "_bytes"}) {
    if (key.ends_with(unit)) key.remove_suffix(unit.size());
  }
  std::string label(key);
  std::replace(label.begin(), label.end(), '_', ' ');
  label.resize(std::max(label.size() + 1, width), ' ');
  return label;
}

std::string count_text(int64_t count) {
  std::string digits = std::to_string(count);
  for (auto at = long(digits.size()) - 3; at > (count < 0 ? 1 : 0); at -= 3)
    digits.insert(size_t(at), ",");
  return digits;
}

}  // namespace ocelli::cli
