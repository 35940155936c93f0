// TrainSession: a whole training run in a folder, from a loaded model and files of data to weights:
//
//   OUT/recipe.json     every option, the model and the data
//   OUT/step-N/         checkpoints (checkpoint.h)
//   OUT/adapter/        at the end: the adapter, a PEFT folder; or
//   OUT/model/          the whole model, a Hugging Face folder
//   OUT/report.html     curves, settings, answers before and after
//   OUT/metrics.jsonl, OUT/runs/, OUT/lock
#pragma once

#include "models/adapter.h"
#include "train/checkpoint.h"
#include "train/forecast.h"
#include "train/metrics_log.h"
#include "train/predictions.h"
#include "train/preference.h"
#include "train/stream_source.h"
#include "train/teacher.h"
#include "train/top_k_file.h"

namespace ocelli::train {

struct SessionInputs {
  engine::Engine& engine;  // loaded with `exact`
  formats::ModelFolder source;
  std::vector<std::string> data;            // files
  std::vector<std::string> eval_data = {};  // files for evaluation; empty: eval_split of `data`
  std::string out;
  TrainOptions options;
  bool resume = false;            // go on from the newest checkpoint of `out`
  std::string resume_from = {};   // or from this one
  std::string cache_folder = {};  // of features of pictures; "": none on disk
  // What of the engine's options decides its numbers, by name; it goes into the recipe.
  base::Json engine_options = base::Json::object();
  TeacherLoad teacher = {};       // of distill, where the options name a model
  base::CancelToken cancel = {};  // ends opening and reading of data soon: kInterrupted
  std::function<void(const std::string&)> note = [](const std::string&) {};
};

// What is known before the first step.
struct SessionFacts {
  int64_t trainable = 0, parameters = 0;  // numbers
  int64_t rows = 0, held_back_rows = 0, batches = 0, steps = 0;
  int64_t bad_rows = 0;
  int64_t resumed_step = 0;
};

struct SessionResult {
  EndReason end = EndReason::kFinished;
  int64_t steps = 0;
  std::string weights;  // the folder; "" where interrupted
};

class TrainSession {
 public:
  // Opens the data, makes what trains, checks that all of it fits, and restores where asked to.
  static base::Result<std::unique_ptr<TrainSession>> create(SessionInputs inputs);
  ~TrainSession();

  const SessionFacts& facts() const { return facts_; }
  const ParameterSet& parameters() const { return parameters_; }
  const MetricsLog& metrics() const { return *metrics_; }
  const Dataset* held_back() const { return held_back_data_ ? &*held_back_data_ : nullptr; }
  // `observer` may be null.
  base::Result<SessionResult> run(const base::CancelToken& cancel, Observer* observer);

 private:
  explicit TrainSession(SessionInputs inputs);
  base::Status open_folder();
  base::Status open_data();
  base::Result<BatchStream> stream(const Dataset& data, bool training) const;
  base::Status look_at_samples();
  base::Status check_budget();
  base::Status make_objective();
  base::Status make_distillation();  // session_distill.cpp
  base::Status open_teacher();
  base::Status open_teacher_file();
  base::Status fill_references(const base::CancelToken& cancel);
  base::Status make_parameters();
  base::Status make_adapter();
  base::Status make_trainer();
  base::Status restore_state();
  base::Status write_recipe() const;
  base::Json recipe() const;
  base::Status save_weights(const std::string& folder);
  base::Result<std::string> finish();
  base::Status choose_predictions(const base::CancelToken& cancel);
  base::Status write_report(const base::CancelToken& cancel);
  base::Result<SampleMaker> sample_maker() const;
  CheckpointParts checkpoint_parts();
  int64_t bytes_to_write() const;

  class Recorder;
  SessionInputs inputs_;
  SessionFacts facts_;
  std::optional<RunLock> lock_;
  std::optional<Checkpoint> from_;
  std::optional<Dataset> data_, held_back_data_;
  std::unique_ptr<StreamSource> source_;
  std::unique_ptr<EpochSource> held_back_;
  std::unique_ptr<models::Adapter> adapter_;
  ParameterSet parameters_;
  std::unique_ptr<Features> features_;
  std::optional<tensor::Arena> arena_;
  StepShape shape_;  // of the largest micro-batch among the samples looked at
  ReferenceTable reference_, held_back_reference_;
  std::unique_ptr<Teacher> teacher_;
  std::optional<TopKFile> teacher_file_;
  std::unique_ptr<TopKSource> teacher_says_, held_back_teacher_says_;
  std::string teacher_hash_;  // "" where there is none
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<ModelPass> pass_;
  std::optional<Optimizer> optimizer_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<CheckpointKeeper> keeper_;
  std::optional<Trainer> trainer_;
  std::optional<MetricsLog> metrics_;
  std::optional<Predictions> predictions_;
  std::string base_hash_;
  int64_t now_ = 0;  // what templates take for the time
};

OptimizerOptions optimizer_options(const TrainOptions& options);
base::Result<models::AdapterConfig> adapter_config(const TrainOptions& options,
                                                   const std::string& model);

}  // namespace ocelli::train
