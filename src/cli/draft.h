// --model-draft: a second, smaller model that guesses ahead.
#pragma once

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
  // Nothing where `flags` names no model.
  static base::Result<Draft> open(const DraftFlags& flags, const EngineFlags& engine,
                                  const engine::Engine& target);

  // Reads the same request; `options` drafts with it from then on.
  base::Status begin(const std::string& system, const std::string& question,
                     const std::vector<std::string>& files, const base::Json& arguments,
                     engine::GenerateOptions& options);
  base::Status begin_raw(const std::string& text, engine::GenerateOptions& options);

 private:
  OpenEngine open_;
  std::optional<engine::ModelDrafter> drafter_;
};

}  // namespace ocelli::cli
