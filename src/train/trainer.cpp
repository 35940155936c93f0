#include "train/trainer.h"

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "train/optimizer_rules.h"

namespace ocelli::train {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

namespace {

constexpr int64_t kAverageGrain = 1 << 15;
constexpr size_t kRowsNamed = 8;  // in a message

}  // namespace

Result<Trainer> Trainer::create(const TrainOptions& options, TrainerParts parts) {
  OCELLI_TRY(check_options(options));
  Trainer t(options, parts);
  const int64_t batches = parts.data.batches();
  if (batches < 1) {
    return base::fail(Code::kBadInput, "no trainable samples in the data; --preview shows why");
  }
  const int64_t group = options.gradient_accumulation_steps;
  t.steps_per_epoch_ = (batches + group - 1) / group;
  t.total_ = options.max_steps > 0
                 ? options.max_steps
                 : int64_t(std::ceil(options.num_train_epochs * double(t.steps_per_epoch_)));
  OCELLI_ASSIGN(t.schedule_.kind, parse_schedule(options.lr_scheduler_type));
  t.schedule_.total = t.total_;
  t.schedule_.warmup = warmup_steps(options.warmup_steps, options.warmup_ratio, t.total_);
  t.schedule_.decay = int64_t(std::ceil(options.decay_ratio * double(t.total_)));
  t.schedule_.floor = options.min_lr_ratio;
  if (options.ema_decay > 0) {
    for (const Parameter& p : parts.parameters.all()) {
      t.average_.emplace_back(p.value, p.value + p.count);
    }
  }
  return t;
}

double Trainer::epoch() const {
  return double(state_.step) / double(steps_per_epoch_);
}

Result<EndReason> Trainer::run(const base::CancelToken& cancel) {
  began_ = window_began_ = base::steady_seconds();
  // Nothing is on disk of a run that begins.
  kept_step_ = state_.position.is_null() ? -1 : state_.step;
  parts_.parameters.clear_gradients(parts_.engine.pool());
  if (!state_.position.is_null()) {
    OCELLI_TRY(parts_.data.go_to(state_.position));
  } else {
    state_.position = parts_.data.position();
  }
  stop_early_ = patience_is_over();
  parts_.pass.stop_when(&cancel);
  auto end = take_steps(cancel);
  parts_.pass.stop_when(nullptr);
  if (end.ok() || end.error().code != Code::kInterrupted) return end;
  // As if what was cut off had not begun.
  parts_.parameters.clear_gradients(parts_.engine.pool());
  OCELLI_TRY(keep(false));
  return EndReason::kInterrupted;
}

// kInterrupted from wherever it was cut off.
Result<EndReason> Trainer::take_steps(const base::CancelToken& cancel) {
  OCELLI_TRY(judge_and_keep(cancel));  // of a run that was cut off before
  while (state_.step < total_ && !stop_early_) {
    if (options_.max_minutes > 0 && base::steady_seconds() - began_ > options_.max_minutes * 60) {
      return base::fail(Code::kInterrupted, "the time is over");
    }
    OCELLI_TRY(cancel.check());
    OCELLI_TRY(step(cancel));
    OCELLI_TRY(after_step(cancel));
  }
  if (parts_.held_back && options_.eval_steps == 0 && !stop_early_) {
    OCELLI_ASSIGN(const bool best, evaluate_and_judge(cancel));
    OCELLI_TRY(keep(best));
  }
  OCELLI_TRY(keep(false));
  return stop_early_ ? EndReason::kEarlyStop : EndReason::kFinished;
}

// The micro-batches of one step; fewer at the end of an epoch.
Result<std::vector<Batch>> Trainer::collect(const base::CancelToken& cancel) {
  std::vector<Batch> batches;
  int ends = 0;
  while (int64_t(batches.size()) < options_.gradient_accumulation_steps) {
    OCELLI_TRY(cancel.check());
    OCELLI_ASSIGN(std::optional<Batch> batch, parts_.data.next());
    if (batch) {
      batches.push_back(std::move(*batch));
      continue;
    }
    if (!batches.empty()) break;
    if (++ends > 1) {
      return base::fail(Code::kBadInput, "no trainable samples in the data; --preview shows why");
    }
  }
  return batches;
}

Result<StepSums> Trainer::accumulate(const std::vector<Batch>& batches) {
  double weight = 0;
  for (const Batch& b : batches) weight += parts_.objective.weight(b);
  const double scale = weight > 0 ? 1 / weight : 0;
  StepSums sums;
  for (size_t i = 0; i < batches.size(); ++i) {
    OCELLI_ASSIGN(const StepSums one, parts_.pass.train(batches[i], parts_.objective, scale,
                                                        state_.micro_batches + int64_t(i)));
    if (!std::isfinite(one.loss)) return not_finite("loss", one.loss, {batches[i]});
    sums.add(one);
    tell_progress(sums, batches, i + 1);
  }
  return sums;
}

void Trainer::tell_progress(const StepSums& sums, const std::vector<Batch>& batches, size_t done) {
  if (!parts_.observer) return;
  LogLine line{state_.step, total_,        epoch(),
               0,           state_.window, base::steady_seconds() - window_began_};
  line.window.sums.add(sums);
  for (size_t i = 0; i < done; ++i) {
    line.window.all_tokens += batches[i].tokens();
    line.window.samples += int64_t(batches[i].examples.size());
  }
  parts_.observer->on_micro_batch(line);
}

Status Trainer::step(const base::CancelToken& cancel) {
  OCELLI_ASSIGN(const std::vector<Batch> batches, collect(cancel));
  OCELLI_ASSIGN(const StepSums sums, accumulate(batches));
  const double norm = gradient_norm(parts_.engine.pool(), parts_.parameters.all());
  if (!std::isfinite(norm)) return not_finite("length of the gradient", norm, batches);
  apply(norm);
  state_.step += 1;
  state_.micro_batches += int64_t(batches.size());
  state_.tokens += sums.tokens;
  state_.position = parts_.data.position();
  Window& window = state_.window;
  window.sums.add(sums);
  window.norm = norm;
  window.steps += 1;
  for (const Batch& b : batches) {
    window.all_tokens += b.tokens();
    window.samples += int64_t(b.examples.size());
  }
  return {};
}

std::vector<double> Trainer::rates(double factor) const {
  const double base = base_learning_rate(options_);
  const auto or_base = [&](double own) { return (own > 0 ? own : base) * factor; };
  const bool muon = options_.optim == "muon";
  std::vector<double> out;
  for (const Parameter& p : parts_.parameters.all()) {
    double rate = p.part == Part::kVision      ? or_base(options_.vision_learning_rate)
                  : p.part == Part::kConnector ? or_base(options_.connector_learning_rate)
                                               : base * factor;
    if (muon && uses_muon(p) && options_.muon_learning_rate > 0) {
      rate = options_.muon_learning_rate * factor;
    }
    out.push_back(rate);
  }
  return out;
}

void Trainer::apply(double norm) {
  engine::Engine& engine = parts_.engine;
  base::ThreadPool& pool = engine.pool();
  tensor::Context c{engine.backend(), parts_.pass.arena(), pool};
  c.exact = true;
  parts_.optimizer.step(c, rates(schedule_.factor(state_.step)),
                        clip_factor(norm, options_.max_grad_norm));
  parts_.parameters.publish(pool);
  if (parts_.changed) parts_.changed();
  parts_.parameters.clear_gradients(pool);
  const auto rest = float(1 - options_.ema_decay);
  for (size_t i = 0; i < average_.size(); ++i) {
    const float* value = parts_.parameters.all()[i].value;
    float* mean = average_[i].data();
    pool.parallel_for(
        int64_t(average_[i].size()),
        [&](int64_t begin, int64_t end) {
          for (int64_t k = begin; k < end; ++k) mean[k] += rest * (value[k] - mean[k]);
        },
        kAverageGrain);
  }
}

bool Trainer::every(int64_t steps) const {
  return steps > 0 && state_.step % steps == 0;
}

Status Trainer::after_step(const base::CancelToken& cancel) {
  if (every(options_.logging_steps) || state_.step == total_) OCELLI_TRY(log());
  return judge_and_keep(cancel);
}

// What is due behind a step and has not been done.
Status Trainer::judge_and_keep(const base::CancelToken& cancel) {
  if (state_.step == 0) return {};
  bool best = false;
  const bool last = state_.step == total_ && options_.eval_steps > 0;
  if (parts_.held_back && (every(options_.eval_steps) || last) &&
      state_.judged_step < state_.step) {
    OCELLI_ASSIGN(best, evaluate_and_judge(cancel));
  }
  if (best || every(options_.save_steps)) OCELLI_TRY(keep(best));
  return {};
}

Status Trainer::log() {
  if (state_.window.steps == 0) return {};
  const double rate = base_learning_rate(options_) * schedule_.factor(state_.step - 1);
  if (parts_.observer) {
    OCELLI_TRY(parts_.observer->on_log({state_.step, total_, epoch(), rate, state_.window,
                                        base::steady_seconds() - window_began_}));
  }
  state_.window = {};
  window_began_ = base::steady_seconds();
  return {};
}

Result<StepSums> Trainer::evaluate(const base::CancelToken& cancel) {
  OCELLI_CHECK(parts_.held_back, "an evaluation needs samples that were held back");
  OCELLI_TRY(parts_.held_back->go_to({}));  // one that was cut off may stand anywhere
  StepSums sums;
  for (;;) {
    OCELLI_TRY(cancel.check());
    OCELLI_ASSIGN(const std::optional<Batch> batch, parts_.held_back->next());
    if (!batch) return sums;
    OCELLI_ASSIGN(const StepSums one, parts_.pass.evaluate(*batch, parts_.objective));
    sums.add(one);
  }
}

bool Trainer::patience_is_over() const {
  return options_.early_stopping_patience > 0 &&
         state_.since_best >= options_.early_stopping_patience;
}

Result<bool> Trainer::evaluate_and_judge(const base::CancelToken& cancel) {
  OCELLI_ASSIGN(const StepSums sums, evaluate(cancel));
  const double loss = sums.mean_loss();
  const bool best = state_.best_step < 0 || loss < state_.best_loss;
  if (best) {
    state_.best_loss = loss;
    state_.best_step = state_.step;
  }
  state_.since_best = best ? 0 : state_.since_best + 1;
  state_.judged_step = state_.step;
  stop_early_ = patience_is_over();
  if (parts_.observer) {
    OCELLI_TRY(parts_.observer->on_evaluation(state_.step, epoch(), sums, best));
  }
  return best;
}

Status Trainer::keep(bool best) {
  if (!parts_.keeper || (kept_step_ == state_.step && !best)) return {};
  kept_step_ = state_.step;
  return parts_.keeper->keep(state_, best);
}

base::Error Trainer::not_finite(const char* what, double value,
                                const std::vector<Batch>& batches) const {
  std::string rows;
  size_t count = 0;
  for (const Batch& b : batches) {
    for (const Example& e : b.examples) {
      if (count++ < kRowsNamed) rows += (rows.empty() ? "" : ", ") + std::to_string(e.row + 1);
    }
  }
  if (count > kRowsNamed) rows += ", ...";
  return base::fail(
      Code::kTraining,
      std::string("the ") + what + " of step " + std::to_string(state_.step + 1) +
          " is not finite (" + std::to_string(value) + ", rows " + rows +
          "); lower learning_rate or look at these rows. The last checkpoint is kept");
}

}  // namespace ocelli::train
