// Objective: what a model learns from a micro-batch. It is given hidden states after the last norm
// and leaves their gradient in them; logits exist only a few rows at a time.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/model.h"
#include "train/sample.h"

namespace ocelli::train {

// What a micro-batch gave, added up; the trainer adds micro-batches and divides by the weight.
struct StepSums {
  double loss = 0;                     // the objective's, times its weight
  double weight = 0;                   // trained tokens, or pairs
  int64_t tokens = 0;                  // trained tokens that were looked at
  int64_t right = 0;                   // of those, where the likeliest token was the wanted one
  std::map<std::string, double> more;  // further sums, by the name that they are logged with

  void add(const StepSums& other);
  double mean_loss() const { return weight > 0 ? loss / weight : 0; }
};

// The hidden states of a micro-batch: those of all its sequences side by side, a pair's chosen one
// before its rejected one.
struct HiddenStates {
  const models::Model& model;
  const Batch& batch;
  tensor::Tensor states;  // [batch.tokens(), D]
};

class Objective {
 public:
  virtual ~Objective() = default;
  // By what the loss of `batch` is weighted among the micro-batches of a step.
  virtual double weight(const Batch& batch) const = 0;
  // Adds up the losses. With a tape in `c`, also leaves their gradient times `scale` in the hidden
  // states and in the parameters behind them.
  virtual base::Result<StepSums> run(tensor::Context& c, const HiddenStates& h,
                                     double scale) const = 0;
};

// The sequences of a micro-batch in order: of each example the sample, then the rejected one.
std::vector<const Sample*> sequences(const Batch& batch);

// Supervised fine-tuning: the cross-entropy of every trained token.
std::unique_ptr<Objective> make_sft();

}  // namespace ocelli::train
