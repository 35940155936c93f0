// ocelli plan --train: what a training run would take.
#pragma once

#include "cli/engine_options.h"
#include "cli/train_options.h"
#include "engine/plan.h"

namespace ocelli::cli {

// `pictures`: those of one sample.
base::Result<int> plan_training(const TrainFlags& flags, engine::Engine& engine,
                                const std::vector<engine::PictureSize>& pictures, bool json);

// Whether a model's folder has weights, and not only a configuration.
bool has_weights(const formats::ModelFolder& folder);
// The same forecast from config.json, and from preprocessor_config.json where there are pictures.
base::Result<int> plan_training(const TrainFlags& flags, const formats::ModelFolder& folder,
                                const std::vector<engine::PictureSize>& pictures, bool json);

}  // namespace ocelli::cli
