// ocelli train: fine-tuning.
#include <CLI/CLI.hpp>
#include <ctime>
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
#include "train/data_options.h"
#include "train/preview.h"
#include "train/session.h"
#include "train/write_top_k.h"

namespace ocelli::cli {
namespace {

using base::Code;
using base::Result;

// The samples as they will be trained, marked.
Result<int> show_samples(const TrainFlags& flags, const TrainPlan& plan, engine::Engine& engine) {
  OCELLI_ASSIGN(const train::DatasetOptions data_options, train::dataset_options(plan.options));
  OCELLI_ASSIGN(const train::Dataset data, train::Dataset::open(plan.data, data_options));
  if (data.bad_rows() > 0) warn(data.bad_rows_text());
  OCELLI_ASSIGN(const train::SampleOptions sample,
                train::sample_options(plan.options, int64_t(std::time(nullptr))));
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

// The model as a teacher: what it says of the data, for students.
Result<int> write_answers(const TrainFlags& flags, const TrainPlan& plan, engine::Engine& engine,
                          const base::CancelToken& cancel) {
  train::TopKInputs inputs{engine, plan.data, flags.write_top_k, plan.options, {}};
  inputs.data.insert(inputs.data.end(), plan.eval_data.begin(), plan.eval_data.end());
  if (!flags.no_cache && !cache_forbidden()) {
    OCELLI_ASSIGN(inputs.cache_folder, engine::DiskCache::default_folder());
  }
  ProgressBar bar(!flags.engine.quiet);
  if (!flags.engine.quiet) inputs.note = [](const std::string& text) { note(text); };
  inputs.progress = [&](int64_t row, int64_t rows) {
    bar.update(double(row) / double(rows),
               "row " + count_text(row + 1) + " of " + count_text(rows));
  };
  OCELLI_ASSIGN(const train::TopKWritten written, train::write_top_k(inputs, cancel));
  bar.clear();
  if (!flags.engine.quiet) {
    std::string text =
        count_text(written.rows) + " rows, " + count_text(written.tokens) + " trained tokens";
    if (written.repeated > 0) text += ", " + count_text(written.repeated) + " rows repeated";
    if (written.dropped > 0) text += ", " + count_text(written.dropped) + " without trained tokens";
    if (written.bad > 0) text += ", " + count_text(written.bad) + " bad";
    note(text);
  }
  OCELLI_TRY(print(flags.write_top_k + "\n"));
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
  EngineFlags engine_flags = plan.engine;
  engine_flags.exact = true;
  OCELLI_ASSIGN(const OpenEngine open, open_engine(plan.model, engine_flags));
  if (flags.preview > 0) return show_samples(flags, plan, *open.engine);
  if (!flags.write_top_k.empty()) return write_answers(flags, plan, *open.engine, session.cancel);
  if (plan.out.empty()) {
    return base::fail(Code::kUsage, "is missing; it names the folder of the results", "-o");
  }
  OCELLI_ASSIGN(const OpenTeacher teacher, open_teacher(plan.options, plan.engine));
  OCELLI_ASSIGN(formats::ModelFolder source, open_model(plan.model, plan.engine.mmproj));
  train::SessionInputs inputs{*open.engine,   std::move(source), plan.data,
                              plan.eval_data, plan.out,          plan.options};
  inputs.resume = flags.resume;
  inputs.resume_from = plan.resume_from;
  inputs.engine_options = deciding(plan.engine);
  inputs.teacher = teacher.load;
  inputs.cancel = session.cancel;
  if (!flags.no_cache && !cache_forbidden()) {
    OCELLI_ASSIGN(inputs.cache_folder, engine::DiskCache::default_folder());
  }
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
