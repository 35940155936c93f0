// The parts of TrainOptions that say how data is read, as the rooms of data want them.
#pragma once

#include "train/options.h"
#include "train/sample_maker.h"

namespace ocelli::train {

DatasetOptions dataset_options(const TrainOptions& options);
// `now`: what templates take for the time.
SampleOptions sample_options(const TrainOptions& options, std::optional<int64_t> now = {});

}  // namespace ocelli::train
