// The report that a run ends with.
#include "base/file.h"
#include "base/folders.h"
#include "train/session.h"

namespace ocelli::train {

using base::Json;
using base::Result;
using base::Status;

// Questions for the report, with what the model answers before the first step. A model that cannot
// answer them is no reason not to train it.
Status TrainSession::choose_predictions(const base::CancelToken& cancel) {
  const int64_t count = inputs_.options.samples;
  if (count == 0 || inputs_.options.objective == "dpo" || cancel.requested()) return {};
  OCELLI_ASSIGN(SampleMaker maker, sample_maker());
  const bool apart = held_back_data_ && held_back_data_->size() > 0;
  auto chosen = Predictions::choose(apart ? *held_back_data_ : *data_, maker, count);
  if (!chosen.ok()) return {};
  predictions_ = std::move(chosen).value();
  if (facts_.resumed_step > 0) return {};
  if (!predictions_->answer(inputs_.engine, false, cancel).ok() && !cancel.requested()) {
    predictions_.reset();
  }
  return {};
}

Status TrainSession::write_report(const base::CancelToken& cancel) {
  if (predictions_ && !predictions_->answer(inputs_.engine, true, cancel).ok()) {
    predictions_.reset();
  }
  Report report;
  report.title = "Training of " + inputs_.engine.name();
  const TrainState& state = trainer_->state();
  report.facts = {{"trainable parameters", std::to_string(facts_.trainable)},
                  {"parameters", std::to_string(facts_.parameters)},
                  {"samples", std::to_string(facts_.rows)},
                  {"steps", std::to_string(state.step)},
                  {"trained tokens", std::to_string(state.tokens)}};
  if (state.best_step >= 0) {
    report.facts.push_back({"best evaluation", std::to_string(state.best_loss) + " behind step " +
                                                   std::to_string(state.best_step)});
  }
  for (const OptionField& f : option_fields()) {
    report.settings.push_back({std::string(f.name), option_json(inputs_.options, f).dump()});
  }
  report.history = metrics_->history();
  if (predictions_) report.predictions = predictions_->all();
  OCELLI_ASSIGN(const std::string text, html(report));
  return base::write_file_atomically(base::join_path(inputs_.out, "report.html"), text, 0644);
}

}  // namespace ocelli::train
