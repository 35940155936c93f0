// MetricsLog: what happened at each step, as lines of JSON (metrics.jsonl) for programs and as
// TensorBoard events for people. Both are appended to while training goes on.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "train/event_file.h"

namespace ocelli::train {

struct Metrics {
  int64_t step = 0;
  double epoch = 0;
  // Names as TensorBoard groups them: "train/loss", "train/learning_rate", "eval/loss", ...
  std::vector<std::pair<std::string, double>> values;
};

inline constexpr size_t kMaxMetricsBytes = size_t{256} << 20;

class MetricsLog {
 public:
  // metrics.jsonl and the folder "runs" in `folder`. Lines of steps after `resumed_step`, and a
  // last line that a crash cut short, are dropped: those steps are done again. With 0 the log
  // starts anew.
  static base::Result<MetricsLog> open(const std::string& folder, int64_t resumed_step);

  MetricsLog(MetricsLog&& other) noexcept;
  MetricsLog& operator=(MetricsLog&& other) noexcept;
  ~MetricsLog();

  // One line {"step": .., "epoch": .., "train/loss": ..} and one event. Numbers that are not finite
  // are null in JSON.
  base::Status add(const Metrics& metrics);

  // All that was logged, from the first step on.
  const std::vector<Metrics>& history() const { return history_; }

 private:
  explicit MetricsLog(EventFile events) : events_(std::move(events)) {}

  std::string path_;
  int fd_ = -1;
  EventFile events_;
  std::vector<Metrics> history_;
};

}  // namespace ocelli::train
