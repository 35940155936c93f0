// Teacher: a frozen model that reads a student's rows and says how likely it finds their tokens.
//
// It reads each row as it was trained to: with its own chat template and its own view of pictures.
// Rows go through one by one, so that what it says of one depends on nothing else: a teacher that
// reads along and a file that it has written agree bit for bit.
#pragma once

#include "train/features.h"
#include "train/pass.h"
#include "train/sample_maker.h"
#include "train/top_k.h"

namespace ocelli::train {

struct TeacherOptions {
  int64_t top_k = 32;
  double temperature = 1;
  SampleOptions sample;      // how it reads rows
  std::string cache_folder;  // of features of pictures; "": none on disk
};

class Teacher {
 public:
  // `engine` must outlive it.
  static base::Result<std::unique_ptr<Teacher>> create(engine::Engine& engine,
                                                       const TeacherOptions& options);

  // A row as the teacher reads it; nothing where it has no trained token within the length.
  base::Result<std::optional<Sample>> sample(const Dataset& data, int64_t row);
  // What it says of the sample's trained tokens from number `first` on. Only their logits are
  // computed, a few rows at a time. kTraining where they are not finite.
  base::Result<TopK> read(const Sample& sample, size_t first = 0);

  engine::Engine& engine() const { return engine_; }
  int64_t top_k() const { return options_.top_k; }

 private:
  class Reading;
  Teacher(engine::Engine& engine, TeacherOptions options, SampleMaker maker)
      : engine_(engine), options_(std::move(options)), maker_(std::move(maker)) {}

  engine::Engine& engine_;
  TeacherOptions options_;
  SampleMaker maker_;
  ParameterSet none_;  // nothing of it trains
  std::unique_ptr<Features> features_;
  std::optional<tensor::Arena> arena_;
  std::optional<ModelPass> pass_;
};

// How an online teacher reads rows that a student reads with `student`: as much of them as it can,
// whatever the student's length, since pictures may take it more tokens. Only behind a cut start
// (keep_end) it keeps to that length.
SampleOptions teacher_sample_options(const SampleOptions& student, const engine::Engine& teacher);

// Asks the teacher for each example of `data` anew. What is given must outlive the source.
std::unique_ptr<TopKSource> make_teacher_source(Teacher& teacher, const Dataset& data,
                                                Truncation truncation);

}  // namespace ocelli::train
