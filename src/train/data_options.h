// What of the training options concerns data, for whoever opens it.
#pragma once

#include "train/dataset.h"
#include "train/options.h"
#include "train/sample_maker.h"

namespace ocelli::train {

// Errors (kUsage) name the option.
base::Result<DatasetOptions> dataset_options(const TrainOptions& options);
// `begin`: when the run began, for templates that print the time, unless the options say another.
base::Result<SampleOptions> sample_options(const TrainOptions& options, int64_t begin);

// "2026-11-21" or "2026-11-21 14:30", local time, in seconds since 1970; nothing for "".
base::Result<std::optional<int64_t>> time_of(const std::string& text);

}  // namespace ocelli::train
