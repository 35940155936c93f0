// --model-draft: a second, smaller model that guesses ahead.
#pragma once

#include <functional>

#include "cli/engine_options.h"
#include "engine/model_drafter.h"

namespace ocelli::cli {

struct DraftFlags {
  std::string model;  // --model-draft; "": none
  void add(CLI::App& app);
};

// The small model beside the one that answers. It sees pictures whole, without tiles: cheaper, and
// only the speed depends on what it guesses.
class Draft {
 public:
  // Nothing where `flags` names no model. Error: a limit on memory, which is kept for one model.
  static base::Result<Draft> open(const DraftFlags& flags, const EngineFlags& engine,
                                  const engine::Engine& target);

  // `options` drafts from then on, with what `read` makes of the same request for this model.
  // `files` are those of the request.
  using Read = std::function<base::Result<engine::Prompt>(engine::Engine&)>;
  base::Status begin(const std::vector<std::string>& files, const Read& read,
                     engine::GenerateOptions& options);

 private:
  OpenEngine open_;
  std::optional<engine::ModelDrafter> drafter_;
};

}  // namespace ocelli::cli
