// Writing down what a teacher says of a dataset (top_k_file.h): `ocelli train TEACHER DATA
// --write_top_k FILE`.
#pragma once

#include <functional>

#include "base/cancel.h"
#include "engine/engine.h"
#include "train/options.h"

namespace ocelli::train {

struct TopKInputs {
  engine::Engine& teacher;  // loaded with `exact`
  std::vector<std::string> data;
  std::string path;
  TrainOptions options;      // of data, samples, teacher_top_k and temperature
  std::string cache_folder;  // of features of pictures; "": none on disk
  std::function<void(const std::string&)> note = [](const std::string&) {};
  std::function<void(int64_t row, int64_t rows)> progress = [](int64_t, int64_t) {};
};

struct TopKWritten {
  int64_t rows = 0, tokens = 0;  // of the file
  int64_t dropped = 0;           // rows without a trained token within max_length
  int64_t repeated = 0;          // rows whose like was there already
  int64_t bad = 0;
};

// All rows of `data`, each once. kInterrupted leaves no file.
base::Result<TopKWritten> write_top_k(const TopKInputs& inputs, const base::CancelToken& cancel);

}  // namespace ocelli::train
