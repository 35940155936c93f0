#include "train/metrics_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <limits>

#include "base/file.h"

namespace ocelli::train {

using base::Json;
using base::Result;
using base::Status;

namespace {

Json to_json(const Metrics& metrics) {
  Json line = Json::object({{"step", metrics.step}, {"epoch", metrics.epoch}});
  for (const auto& [name, value] : metrics.values) line.set(name, value);
  return line;
}

// nullopt for a line that is none of ours (cut short, or edited).
std::optional<Metrics> from_json(std::string_view text) {
  const auto json = Json::parse(text, {.max_bytes = 1 << 20, .max_values = 10'000});
  if (!json.ok() || !json->is_object()) return {};
  Metrics metrics;
  const auto step = json->get_int("step", {0});
  const auto epoch = json->get_double("epoch", 0);
  if (!step.ok() || !epoch.ok()) return {};
  metrics.step = *step;
  metrics.epoch = *epoch;
  for (const auto& [name, value] : json->members()) {
    if (name == "step" || name == "epoch") continue;
    metrics.values.emplace_back(
        name, value.is_number() ? value.as_double() : std::numeric_limits<double>::quiet_NaN());
  }
  return metrics;
}

Result<std::vector<Metrics>> read_until(const std::string& path, int64_t last_step) {
  std::vector<Metrics> history;
  if (last_step == 0 || !std::filesystem::exists(path)) return history;
  OCELLI_ASSIGN(const std::string text, base::read_file(path, kMaxMetricsBytes));
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    if (end == std::string::npos) break;
    const auto metrics = from_json(std::string_view(text).substr(at, end - at));
    if (metrics && metrics->step <= last_step) history.push_back(*metrics);
    at = end + 1;
  }
  return history;
}

}  // namespace

Result<MetricsLog> MetricsLog::open(const std::string& folder, int64_t resumed_step) {
  const std::string path = folder + "/metrics.jsonl";
  OCELLI_ASSIGN(std::vector<Metrics> history, read_until(path, resumed_step));
  std::string kept;
  for (const Metrics& metrics : history) kept += to_json(metrics).dump() + "\n";
  OCELLI_TRY(base::write_file_atomically(path, kept, 0644));
  OCELLI_ASSIGN(EventFile events, EventFile::create(folder + "/runs", resumed_step));
  MetricsLog log(std::move(events));
  log.path_ = path;
  log.history_ = std::move(history);
  log.fd_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (log.fd_ < 0) return base::errno_error(errno, "write", path);
  return log;
}

MetricsLog::MetricsLog(MetricsLog&& other) noexcept : events_(std::move(other.events_)) {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(history_, other.history_);
}

MetricsLog& MetricsLog::operator=(MetricsLog&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(events_, other.events_);
  std::swap(history_, other.history_);
  return *this;
}

MetricsLog::~MetricsLog() {
  if (fd_ >= 0) close(fd_);
}

Status MetricsLog::add(const Metrics& metrics) {
  history_.push_back(metrics);
  const std::string line = to_json(metrics).dump() + "\n";
  for (size_t done = 0; done < line.size();) {
    const ssize_t n = ::write(fd_, line.data() + done, line.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return base::errno_error(errno, "write", path_);
    done += size_t(n);
  }
  return events_.add(metrics.step, metrics.values);
}

}  // namespace ocelli::train
