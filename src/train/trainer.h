// Trainer: the loop. Micro-batches are run forward and backward, a step is taken, and from time to
// time the model is evaluated and the state kept. What happens is told to an observer.
//
// Everything that a step depends on is in the state, and the state is what checkpoints hold: a run
// that goes on from one gives the same bits as one that was never interrupted.
#pragma once

#include <optional>

#include "base/cancel.h"
#include "train/batch_source.h"
#include "train/optimizer.h"
#include "train/options.h"
#include "train/pass.h"
#include "train/schedule.h"

namespace ocelli::train {

// Sums since the last log line.
struct Window {
  StepSums sums;
  double norm = 0;  // of the last step's gradient
  int64_t steps = 0;
  int64_t all_tokens = 0, samples = 0;  // trained or not
};

// Besides parameters and optimizer.
struct TrainState {
  int64_t step = 0;  // steps taken
  int64_t micro_batches = 0;
  int64_t tokens = 0;    // trained ones so far
  double best_loss = 0;  // of evaluations
  int64_t best_step = -1;
  int64_t since_best = 0;    // evaluations
  int64_t judged_step = -1;  // of the last evaluation
  base::Json position;       // of the data
  Window window;

  base::Json to_json() const;
  static base::Result<TrainState> parse(const base::Json& json);
};

struct LogLine {
  int64_t step = 0, total = 0;
  double epoch = 0, rate = 0;
  Window window;
  double seconds = 0;  // that this process worked for the window
};

class Observer {
 public:
  virtual ~Observer() = default;
  virtual base::Status on_log(const LogLine&) { return {}; }
  virtual base::Status on_evaluation(int64_t step, double epoch, const StepSums&, bool best) {
    return {};
  }
  // Called between micro-batches: for a progress line.
  virtual void on_micro_batch(const LogLine&) {}
};

// Keeps states. Empty where nothing is to be kept.
class Keeper {
 public:
  virtual ~Keeper() = default;
  // `best`: this state has the lowest loss of all evaluations so far.
  virtual base::Status keep(const TrainState& state, bool best) = 0;
};

enum class EndReason { kFinished, kEarlyStop, kInterrupted };

struct TrainerParts {
  engine::Engine& engine;
  ParameterSet& parameters;
  Optimizer& optimizer;
  const Objective& objective;
  ModelPass& pass;
  BatchSource& data;
  BatchSource* held_back = nullptr;
  Keeper* keeper = nullptr;
  Observer* observer = nullptr;
  // Called after the parameters have changed, before the model is used (DoRA's norms).
  std::function<void()> changed = {};
};

class Trainer {
 public:
  static base::Result<Trainer> create(const TrainOptions& options, TrainerParts parts);

  // From the state on (a new one, or one read back) to the end. kTraining where a loss or gradient
  // is not finite; the message names step and rows, and nothing of that step is kept.
  base::Result<EndReason> run(const base::CancelToken& cancel);

  // Who is told and who keeps; either may be null.
  void watch(Observer* observer, Keeper* keeper) {
    parts_.observer = observer;
    parts_.keeper = keeper;
  }
  TrainState& state() { return state_; }
  int64_t total_steps() const { return total_; }
  // The moving average of the weights; empty where there is none. One for each parameter.
  std::vector<std::vector<float>>& average() { return average_; }
  // kInterrupted where `cancel` is requested meanwhile.
  base::Result<StepSums> evaluate(const base::CancelToken& cancel = {});
  double epoch() const;

 private:
  Trainer(const TrainOptions& options, TrainerParts parts) : options_(options), parts_(parts) {}
  base::Status step(const base::CancelToken& cancel);
  base::Result<std::vector<Batch>> collect(const base::CancelToken& cancel);
  base::Result<StepSums> accumulate(const std::vector<Batch>& batches);
  void tell_progress(const StepSums& sums, const std::vector<Batch>& batches, size_t done);
  base::Error not_finite(const char* what, double value, const std::vector<Batch>& batches) const;
  std::vector<double> rates(double factor) const;
  void apply(double norm);
  base::Result<EndReason> take_steps(const base::CancelToken& cancel);
  base::Status after_step(const base::CancelToken& cancel);
  base::Status judge_and_keep(const base::CancelToken& cancel);
  bool every(int64_t steps) const;
  bool patience_is_over() const;
  // Whether it is the best so far; nothing is judged where it was interrupted.
  base::Result<bool> evaluate_and_judge(const base::CancelToken& cancel);
  base::Status log();
  base::Status keep(bool best);

  TrainOptions options_;
  TrainerParts parts_;
  Schedule schedule_;
  int64_t total_ = 0, steps_per_epoch_ = 1;
  TrainState state_;
  std::vector<std::vector<float>> average_;
  bool stop_early_ = false;
  int64_t kept_step_ = -1;
  double began_ = 0, window_began_ = 0;  // base::steady_seconds()
};

}  // namespace ocelli::train
