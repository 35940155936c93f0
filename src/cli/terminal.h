// What goes to a person: progress bars and notes on stderr. Answers and data go to stdout.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/progress.h"
#include "base/result.h"

namespace ocelli::cli {

bool stdout_is_terminal();
bool stderr_is_terminal();

// Writes all of `text` and flushes. A reader that went away (a closed pipe) is kInterrupted, a full
// disk kDoesNotFit.
base::Status print(std::string_view text);

// One line on stderr: "note: ...".
void note(std::string_view text);
void warn(std::string_view text);

// A bar on stderr that is drawn at most ten times a second and wiped at the end; nothing where
// stderr is no terminal or `enabled` is false. Not shown in the first 0.3 seconds.
class ProgressBar : public base::Progress {
 public:
  explicit ProgressBar(bool enabled);
  ~ProgressBar() override;
  void update(double fraction, std::string_view text) override;
  void clear();

 private:
  base::Stopwatch since_start_, since_drawn_;
  bool enabled_, drawn_ = false;
};

// "1.3 GiB", "412 MiB", "17 KiB"; "1.2 s", "34 ms"; "1,234,567".
std::string bytes_text(int64_t bytes);
std::string seconds_text(double seconds);
std::string count_text(int64_t count);
// The key of a report for people, padded: "load_seconds" is "load      ", as the value has its
// unit.
std::string label_text(std::string_view key, size_t width);

}  // namespace ocelli::cli
