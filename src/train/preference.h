// Preference optimization (DPO and its relatives): the chosen answer is to gain on the rejected one
// against what a reference model, here the model before training, thought of both.
// trl/trainer/dpo_trainer.py
#pragma once

#include "base/cancel.h"
#include "train/batch_source.h"
#include "train/objective.h"
#include "train/pass.h"

namespace ocelli::train {

struct PreferenceOptions {
  std::string loss_type = "sigmoid";  // see option_fields()
  double beta = 0.1, label_smoothing = 0;
};

// Of one pair, with a = log p(chosen) - log ref(chosen) and b the same of the rejected answer.
struct PairLoss {
  double loss = 0, da = 0, db = 0;  // the loss and its derivatives
};
PairLoss pair_loss(const PreferenceOptions& options, double a, double b);

// Log-probabilities of whole answers, by row of a dataset.
class ReferenceTable {
 public:
  // One for `rows` rows, read from `path` where that holds a table of the same `key`, else empty.
  static ReferenceTable open(std::string path, const base::Digest256& key, int64_t rows);

  bool complete() const { return complete_; }
  // Runs the model over every batch of `source` to the end of its epoch, and writes the file.
  base::Status fill(ModelPass& pass, BatchSource& source, const base::CancelToken& cancel);

  struct Pair {
    double chosen = 0, rejected = 0;
  };
  // Of a row that was there when the table was filled.
  base::Result<Pair> of(int64_t row) const;

 private:
  class Fill;
  std::string path_;
  base::Digest256 key_;
  std::vector<double> numbers_;  // [rows, 2]; NaN where not known
  bool complete_ = false;
};

// `training` is for batches with gradient, `held_back` for evaluations; both outlive the objective.
std::unique_ptr<Objective> make_preference(const PreferenceOptions& options,
                                           const ReferenceTable& training,
                                           const ReferenceTable& held_back);

}  // namespace ocelli::train
