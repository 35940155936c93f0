// ModelPass: a micro-batch through the model and its objective, forward and, to train, backward.
#pragma once

#include "engine/engine.h"
#include "train/features.h"
#include "train/objective.h"
#include "train/parameters.h"

namespace ocelli::train {

struct PassOptions {
  bool recompute = false;  // gradient_checkpointing: keep only the inputs of blocks
  bool exact = true;       // float32 arithmetic
  uint64_t seed = 0;       // of dropout
};

class ModelPass {
 public:
  // All must outlive the pass. `features` gives what the frozen part of the picture side says.
  ModelPass(engine::Engine& engine, const ParameterSet& parameters, Features& features,
            tensor::Arena& arena, const PassOptions& options)
      : engine_(engine),
        parameters_(parameters),
        features_(features),
        arena_(arena),
        options_(options) {}

  // Adds the gradient of scale * loss to the parameters. `number`: of the micro-batch since the
  // start of training, which decides what dropout drops.
  base::Result<StepSums> train(const Batch& batch, const Objective& objective, double scale,
                               int64_t number);
  // The loss alone, nothing dropped.
  base::Result<StepSums> evaluate(const Batch& batch, const Objective& objective);
  // Hidden states go to `use`, which runs before their memory is given back.
  base::Status hidden(tensor::Context& c, const Batch& batch,
                      const std::function<base::Status(const HiddenStates&)>& use);

  // From now on passes end soon once it is requested, with kInterrupted. Null: never.
  void stop_when(const base::CancelToken* cancel) { cancel_ = cancel; }

  tensor::Arena& arena() { return arena_; }

 private:
  tensor::Context context(tensor::Tape* tape) const;
  base::Result<tensor::Tensor> embed(tensor::Context& c, const Batch& batch);
  base::Result<tensor::Tensor> pictures(tensor::Context& c,
                                        const std::vector<const Sample*>& samples);

  engine::Engine& engine_;
  const ParameterSet& parameters_;
  Features& features_;
  tensor::Arena& arena_;
  PassOptions options_;
  const base::CancelToken* cancel_ = nullptr;
};

}  // namespace ocelli::train
