// SampleMaker: from a row to token ids, pictures and mask, through the engine that is trained.
//
//   OCELLI_ASSIGN(SampleMaker maker, SampleMaker::create(engine, {.max_length = 2048}));
//   OCELLI_ASSIGN(std::optional<Example> example, maker.make(data, 17));  // nullopt: dropped
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "engine/engine.h"
#include "train/dataset.h"
#include "train/mask.h"
#include "train/sample.h"

namespace ocelli::train {

enum class Truncation {
  kKeepStart,  // cut the end
  kKeepEnd,    // cut the start
  kDrop        // leave the sample out
};

std::optional<Truncation> truncation_of(std::string_view name);  // keep_start, keep_end, drop
std::string_view name_of(Truncation truncation);

struct SampleOptions {
  Mask mask = Mask::kAssistant;
  int64_t max_length = 0;  // tokens; 0: the engine's context
  Truncation truncation = Truncation::kKeepStart;
  // Texts for a base model even where there is a chat template.
  bool raw = false;
  base::Json arguments = base::Json::object();  // of the template, for every row; a row's own win
  std::optional<int64_t>
      now{};  // what templates take for the time; set it and keep it with the run
};

// What became of rows, since the beginning. Sides of a pair are shortened each for itself.
struct SampleCounts {
  int64_t made = 0;       // examples
  int64_t truncated = 0;  // samples
  int64_t too_long = 0;   // rows left out: too long, or nothing trained is left within the length
  int64_t untrained = 0;  // rows left out: nothing to train in them
};

class SampleMaker {
 public:
  // Errors (kUsage): a mask or option that the model cannot follow.
  static base::Result<SampleMaker> create(engine::Engine& engine, SampleOptions options);

  // nullopt: dropped, because nothing would be trained or it is longer than max_length; counted.
  // Errors (kBadInput) name the row: a picture that is missing or broken, a template that refuses.
  base::Result<std::optional<Example>> make(const Dataset& data, int64_t index);

  const SampleCounts& counts() const { return counts_; }
  void set_counts(const SampleCounts& counts) { counts_ = counts; }
  void limit_length(int64_t tokens) { options_.max_length = std::min(options_.max_length, tokens); }
  const SampleOptions& options() const { return options_; }
  engine::Engine& engine() const { return *engine_; }

 private:
  SampleMaker(engine::Engine& engine, SampleOptions options)
      : engine_(&engine), options_(std::move(options)) {}
  using Images = std::vector<std::shared_ptr<const engine::PreparedImage>>;
  base::Result<std::optional<Example>> make_row(const Dataset& data, int64_t index, const Row& row);
  base::Result<Images> prepare(const Dataset& data, int64_t index, const Row& row) const;
  base::Result<Sample> raw_sample(const Row& row, const std::string& completion) const;
  base::Result<Sample> chat_sample(const Row& row, const base::Json& messages,
                                   const Images& images) const;
  base::Result<bool> fit(Sample& sample);

  engine::Engine* engine_;
  SampleOptions options_;
  SampleCounts counts_;
};

// Shortens a sample to `max_length` tokens. A picture that does not fit whole goes whole, with
// whatever stands between it and the cut end. Prompt::text stays. Requires kKeepStart or kKeepEnd.
void truncate(Sample& sample, int64_t max_length, Truncation truncation);

}  // namespace ocelli::train
