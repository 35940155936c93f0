// The progress of a training run on stderr: a bar between lines, a line each time the loss is
// logged.
#pragma once

#include "base/clock.h"
#include "cli/terminal.h"
#include "train/trainer.h"

namespace ocelli::cli {

class TrainProgress : public train::Observer {
 public:
  explicit TrainProgress(bool enabled) : enabled_(enabled), bar_(enabled) {}
  base::Status on_log(const train::LogLine& line) override;
  base::Status on_evaluation(int64_t step, double epoch, const train::StepSums& sums,
                             bool best) override;
  void on_micro_batch(const train::LogLine& line) override;

 private:
  std::string left(int64_t step, int64_t total) const;
  bool enabled_;
  ProgressBar bar_;
  base::Stopwatch watch_;
  int64_t first_step_ = -1;
};

}  // namespace ocelli::cli
