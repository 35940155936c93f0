#include "cli/draft.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/target.h"

namespace ocelli::cli {

using base::Code;
using base::Result;
using base::Status;

void DraftFlags::add(CLI::App& app) {
  app.option_defaults()->group("Answer");
  app.add_option("--model-draft,--draft-model", model,
                 "a smaller model of the same family that guesses tokens ahead (as 256M for 2.2B): "
                 "the same answer, sooner where they agree")
      ->type_name("MODEL");
  app.option_defaults()->group("Options");
}

Result<Draft> Draft::open(const DraftFlags& flags, const EngineFlags& engine,
                          const engine::Engine& target) {
  Draft out;
  if (flags.model.empty()) return out;
  if (engine.memory) {
    return base::fail(
        Code::kUsage,
        "does not go with --memory, which is kept for one model; leave one of them out",
        "--model-draft");
  }
  EngineFlags own;
  own.model = flags.model;
  own.threads = engine.threads;
  own.weights = engine.weights;
  own.exact = engine.exact;
  own.quiet = engine.quiet;
  own.packed = engine.packed;
  own.use_weights_cache = engine.use_weights_cache;
  own.no_weights_cache = engine.no_weights_cache;
  own.no_split = true;
  own.alpha = engine.alpha;
  own.fps = engine.fps;
  own.max_frames = engine.max_frames;
  OCELLI_ASSIGN(const std::string path, resolve_model(flags.model));
  own.quiet = own.quiet || path.empty();  // who answers is said once
  OCELLI_ASSIGN(out.open_, open_engine(path, own));
  OCELLI_ASSIGN(out.drafter_, engine::ModelDrafter::create(*out.open_.engine, target));
  return out;
}

Status Draft::begin(const std::vector<std::string>& files, const Read& read,
                    engine::GenerateOptions& options) {
  if (!drafter_) return {};
  if (std::find(files.begin(), files.end(), "-") != files.end()) {
    return base::fail(Code::kUsage,
                      "reads pictures a second time, which standard input cannot be; name a file",
                      "--model-draft");
  }
  OCELLI_ASSIGN(engine::Prompt prompt, read(*open_.engine));
  drafter_->begin(std::move(prompt));
  options.drafter = &*drafter_;
  return {};
}

}  // namespace ocelli::cli
