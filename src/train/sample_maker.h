// SampleMaker: from a row to token ids, pictures and mask, through the engine that is trained.
//
//   OCELLI_ASSIGN(SampleMaker maker, SampleMaker::create(engine, {.max_length = 2048}));
//   OCELLI_ASSIGN(std::optional<Example> example, maker.make(data, 17));  // nullopt: dropped
#pragma once

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
  std::optional<int64_t> now;  // what templates take for the time; set it and keep it with the run
};

// Why samples were left out or shortened, since the beginning. Of a pair each side counts.
struct SampleCounts {
  int64_t made = 0, truncated = 0, too_long = 0, untrained = 0;
};

class SampleMaker {
 public:
  // Errors (kUsage): a mask or option that the model cannot follow.
  static base::Result<SampleMaker> create(engine::Engine& engine, SampleOptions options);

  // nullopt: dropped, because nothing would be trained or it is longer than max_length; counted.
  // Errors (kBadInput) name the row: a picture that is missing or broken, a template that refuses.
  base::Result<std::optional<Example>> make(const Dataset& data, int64_t index);

  const SampleCounts& counts() const { return counts_; }
  const SampleOptions& options() const { return options_; }
  engine::Engine& engine() const { return *engine_; }

 private:
  SampleMaker(engine::Engine& engine, SampleOptions options)
      : engine_(&engine), options_(std::move(options)) {}
  using Images = std::vector<std::shared_ptr<const engine::PreparedImage>>;
  base::Result<std::optional<Example>> make_row(const Dataset& data, int64_t index, const Row& row);
  base::Result<Images> prepare(const Dataset& data, int64_t index, const Row& row) const;
  base::Result<Sample> raw_sample(const Row& row) const;
  base::Result<engine::TaggedPrompt> chat(const Row& row, const base::Json& messages,
                                          const Images& images, Sample& out) const;
  bool fit(Sample& sample, const engine::TaggedPrompt* tagged);

  engine::Engine* engine_;
  SampleOptions options_;
  SampleCounts counts_;
};

// Shortens a sample to `max_length` tokens. A picture that does not fit whole goes whole, with
// whatever stands between it and the cut end. `picture`: per id the number of the picture that it
// stands for, or -1; empty: no pictures. Returns false where no trained token is left.
bool truncate(Sample& sample, const std::vector<int32_t>& picture, int64_t max_length,
              Truncation truncation);

}  // namespace ocelli::train
