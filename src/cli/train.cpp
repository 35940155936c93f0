// ocelli train: fine-tuning.
#include <CLI/CLI.hpp>
#include <map>

#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/engine_options.h"
#include "cli/target.h"
#include "cli/terminal.h"
#include "cli/train_options.h"
#include "cli/train_progress.h"
#include "train/preview.h"
#include "train/session.h"

namespace ocelli::cli {
namespace {

using base::Code;
using base::Result;

// The samples as they will be trained, marked.
Result<int> show_samples(const TrainFlags& flags, const TrainPlan& plan, engine::Engine& engine) {
  train::DatasetOptions data_options;
  data_options.rows.format =
      train::row_format_of(plan.options.format).value_or(train::RowFormat::kAuto);
  data_options.max_bad_rows = plan.options.max_bad_rows;
  data_options.media_folder = plan.options.media_folder;
  data_options.allow_outside = plan.options.allow_outside;
  OCELLI_ASSIGN(const train::Dataset data, train::Dataset::open(plan.data, data_options));
  if (data.bad_rows() > 0) warn(data.bad_rows_text());
  train::SampleOptions sample;
  sample.mask = train::mask_of(plan.options.mask).value_or(train::Mask::kAssistant);
  sample.truncation =
      train::truncation_of(plan.options.truncation).value_or(train::Truncation::kKeepStart);
  sample.max_length = plan.options.max_length;
  sample.raw = plan.options.raw_text;
  OCELLI_ASSIGN(train::SampleMaker maker, train::SampleMaker::create(engine, sample));
  train::MaskCounts counts;
  for (int64_t i = 0; i < data.size() && counts.samples < flags.preview; ++i) {
    OCELLI_ASSIGN(const std::optional<train::Example> example, maker.make(data, i));
    if (!example) continue;
    counts.add(*example);
    OCELLI_TRY(print(train::preview(engine, data, *example, {stdout_is_terminal()}) + "\n"));
  }
  OCELLI_TRY(print(train::counts_text(counts) + "\n"));
  OCELLI_TRY(train::check_trained(counts, sample.mask));
  return 0;
}

Result<int> list_presets() {
  std::string text;
  for (const train::Preset& p : train::presets()) {
    text += std::string(p.name) + "\n    " + std::string(p.about) + "\n";
    for (const auto& [name, value] : p.options) {
      text += "    --" + std::string(name) + " " + std::string(value) + "\n";
    }
  }
  OCELLI_TRY(print(text));
  return 0;
}

std::string facts_text(const train::SessionFacts& f) {
  std::string out = count_text(f.trainable) + " trainable parameters of " +
                    count_text(f.parameters) + ", " + count_text(f.rows) + " samples";
  if (f.held_back_rows > 0) out += " and " + count_text(f.held_back_rows) + " for evaluation";
  out += ", " + count_text(f.steps) + " steps";
  if (f.resumed_step > 0) out += ", going on behind step " + count_text(f.resumed_step);
  return out;
}

Result<int> run_train(TrainFlags& flags, Session& session) {
  if (flags.preset == "list") return list_presets();
  OCELLI_ASSIGN(const TrainPlan plan, make_plan_of(flags));
  EngineFlags engine_flags = flags.engine;
  engine_flags.exact = true;
  OCELLI_ASSIGN(const OpenEngine open, open_engine(plan.model, engine_flags));
  if (flags.preview > 0) return show_samples(flags, plan, *open.engine);
  if (plan.out.empty()) {
    return base::fail(Code::kUsage, "is missing; it names the folder of the results", "-o");
  }
  OCELLI_ASSIGN(formats::ModelFolder source, open_model(plan.model, flags.engine.mmproj));
  OCELLI_ASSIGN(const std::string cache, base::cache_dir());
  train::SessionInputs inputs{*open.engine,   std::move(source), plan.data,
                              plan.eval_data, plan.out,          plan.options};
  inputs.resume = flags.resume;
  inputs.resume_from = plan.resume_from;
  if (!flags.no_cache) inputs.cache_folder = base::join_path(cache, "features");
  if (!flags.engine.quiet) inputs.note = [](const std::string& text) { note(text); };
  OCELLI_ASSIGN(const std::unique_ptr<train::TrainSession> run,
                train::TrainSession::create(std::move(inputs)));
  if (!flags.engine.quiet) note(facts_text(run->facts()));
  if (flags.dry_run) {
    OCELLI_TRY(print(facts_text(run->facts()) + "\n"));
    return 0;
  }
  TrainProgress progress(!flags.engine.quiet);
  OCELLI_ASSIGN(const train::SessionResult result, run->run(session.cancel, &progress));
  if (result.end == train::EndReason::kInterrupted) {
    return base::fail(Code::kInterrupted, "stopped behind step " + std::to_string(result.steps) +
                                              " and kept it; --resume goes on");
  }
  OCELLI_TRY(print(result.weights + "\n"));
  return 0;
}

}  // namespace

Run make_train(CLI::App& app) {
  auto flags = std::make_shared<TrainFlags>();
  app.description(
      "Fine-tunes a model on your own data: an adapter (LoRA) or the whole model.\n\n"
      "  ocelli train ./SmolVLM2-256M-Instruct photos.jsonl -o my-adapter\n"
      "  ocelli train ./SmolVLM2-256M-Instruct photos.jsonl --preview 3\n"
      "  ocelli train --resume -o my-adapter");
  flags->add(app);
  return [flags](Session& session) { return run_train(*flags, session); };
}

}  // namespace ocelli::cli
