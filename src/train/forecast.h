// Forecast of a training run: memory and time of a step, by running the step on the backend that
// counts, over memory that is never touched; and settings that fit a budget.
#pragma once

#include "engine/engine.h"
#include "train/options.h"

namespace ocelli::train {

// A teacher that reads along.
struct TeacherLoad {
  engine::Engine* engine = nullptr;  // null: none
  int64_t resident = 0;              // bytes by which the process grew when it was loaded
};

// The largest micro-batch that is expected.
struct StepShape {
  int64_t samples = 1;
  int64_t tokens = 1024;  // of one sample
  int64_t tiles = 0;      // of one sample's pictures
  TeacherLoad teacher = {};
};

struct TrainForecast {
  int64_t trainable = 0;  // numbers
  // Bytes.
  int64_t program = 0;     // what the process takes, with the weights as they are loaded
  int64_t parameters = 0;  // float32 values and gradients, and stored copies
  int64_t optimizer = 0;
  int64_t average = 0;  // moving average of the weights
  int64_t activations = 0;
  int64_t pictures = 0;  // samples that are prepared, and features kept in memory
  int64_t teacher = 0;   // its weights and its activations for one sample
  int64_t peak() const {
    return program + parameters + optimizer + average + activations + pictures + teacher;
  }
  int64_t macs = 0;          // multiply-adds of a micro-batch, forward and backward
  int64_t teacher_macs = 0;  // the teacher's for it
  double step_seconds = 0;   // of a whole step, with its accumulation
};

// The model that a forecast is of. Its weights may be shapes alone (models/shapes.h).
struct ForecastModel {
  ForecastModel(engine::Engine& engine)  // NOLINT: an engine is one
      : loaded(engine.mutable_loaded()),
        pool(engine.pool()),
        backend(engine.backend()),
        vision_workspace(engine.options().vision_workspace) {}
  ForecastModel(models::LoadedModel& shapes, base::ThreadPool& p, tensor::Backend& b)
      : loaded(shapes), pool(p), backend(b), unread(shapes.storage_bytes) {}

  const models::ModelInfo& info() const { return loaded.model->info(); }
  models::LoadedModel& loaded;
  base::ThreadPool& pool;
  tensor::Backend& backend;  // whose speed is measured
  int64_t vision_workspace = engine::EngineOptions().vision_workspace;
  int64_t unread = 0;  // bytes of weights that are not in memory yet
};

// What the options would take on this model, which comes back as it was.
base::Result<TrainForecast> forecast_training(const ForecastModel& model,
                                              const TrainOptions& options, const StepShape& shape);

// Changes of the options, in the order of how little they cost, until `bytes` are enough; nothing
// where that cannot be. Each is a text as on the command line.
base::Result<std::optional<std::vector<std::string>>> settings_that_fit(const ForecastModel& model,
                                                                        const TrainOptions& options,
                                                                        const StepShape& shape,
                                                                        int64_t bytes);

// kDoesNotFit with numbers and settings that fit, where the run would take more than `bytes`.
base::Status check_memory(const ForecastModel& model, const TrainOptions& options,
                          const StepShape& shape, int64_t bytes);

}  // namespace ocelli::train
