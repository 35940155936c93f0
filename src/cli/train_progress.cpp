#include "cli/train_progress.h"

#include <cstdio>

#include "base/memory.h"

namespace ocelli::cli {

using base::Status;

namespace {

std::string number(const char* form, double value) {
  char text[64];
  std::snprintf(text, sizeof text, form, value);
  return text;
}

std::string speeds(const train::LogLine& line) {
  const double seconds = line.seconds > 0 ? line.seconds : 1e-9;
  return number("%.0f tokens/s", double(line.window.all_tokens) / seconds) +
         number(", %.2f samples/s", double(line.window.samples) / seconds);
}

}  // namespace

std::string TrainProgress::left(int64_t step, int64_t total) const {
  const int64_t done = step - first_step_;
  if (done <= 0) return "";
  return ", " + seconds_text(watch_.seconds() / double(done) * double(total - step)) + " left";
}

void TrainProgress::on_micro_batch(const train::LogLine& line) {
  if (first_step_ < 0) first_step_ = line.step;
  bar_.update(double(line.step) / double(line.total),
              "step " + std::to_string(line.step + 1) + "/" + std::to_string(line.total) +
                  number(", loss %.4f, ", line.window.sums.mean_loss()) + speeds(line) +
                  left(line.step, line.total));
}

Status TrainProgress::on_log(const train::LogLine& line) {
  if (!enabled_) return {};
  if (first_step_ < 0) first_step_ = line.step - line.window.steps;
  bar_.clear();
  std::string text = "step " + std::to_string(line.step) + "/" + std::to_string(line.total) +
                     number(", epoch %.2f", line.epoch) +
                     number(", loss %.4f", line.window.sums.mean_loss());
  for (const auto& [name, sum] : line.window.sums.more) {
    text += ", " + name + number(" %.4f", sum / std::max(1e-9, line.window.sums.weight));
  }
  text += number(", rate %.2e", line.rate) + number(", gradient %.3f, ", line.window.norm) +
          speeds(line) + left(line.step, line.total) + ", " +
          bytes_text(base::process_memory().now);
  std::fprintf(stderr, "%s\n", text.c_str());
  return {};
}

Status TrainProgress::on_evaluation(int64_t step, double, const train::StepSums& sums, bool best) {
  if (!enabled_) return {};
  bar_.clear();
  std::string text =
      "evaluation behind step " + std::to_string(step) + number(": loss %.4f", sums.mean_loss());
  if (sums.tokens > 0) {
    text +=
        number(", %.1f %% of the tokens right", 100.0 * double(sums.right) / double(sums.tokens));
  }
  std::fprintf(stderr, "%s%s\n", text.c_str(), best ? ", the best so far" : "");
  return {};
}

}  // namespace ocelli::cli
