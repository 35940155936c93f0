// Predictions: what a model answers to some samples' questions, for the report before and after.
#pragma once

#include "train/report.h"
#include "train/sample_maker.h"

namespace ocelli::train {

inline constexpr int64_t kPredictionTokens = 64;

// Samples of a dataset whose answers are wanted: the first `count` that have one.
class Predictions {
 public:
  static base::Result<Predictions> choose(const Dataset& data, SampleMaker& maker, int64_t count);

  // Lets the model answer; `after` says whether it has been trained.
  base::Status answer(engine::Engine& engine, bool after, const base::CancelToken& cancel);
  const std::vector<Prediction>& all() const { return predictions_; }

 private:
  std::vector<engine::Prompt> prompts_;
  std::vector<Prediction> predictions_;
};

}  // namespace ocelli::train
