#include "cli/train_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <optional>

#include "base/file.h"
#include "base/folders.h"
#include "base/memory.h"
#include "cli/target.h"

namespace ocelli::cli {

using base::Code;
using base::Result;

namespace {

// --learning_rate and --learning-rate are the same.
std::string with_dashes(std::string name) {
  for (char& c : name) {
    if (c == '_') c = '-';
  }
  return name;
}

Result<train::Recipe> read_recipe(const std::string& path) {
  OCELLI_ASSIGN(const std::string text, base::read_file(path, train::kMaxRecipeBytes));
  return std::move(train::parse_recipe(text)).in(path);
}

// "true" and "false" in any case, as transformers' own parser takes them.
std::optional<bool> truth_of(std::string text) {
  for (char& c : text) c = char(std::tolower(uint8_t(c)));
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

bool is_switch(const std::string& word) {
  if (word.rfind("--", 0) != 0) return false;
  std::string name = word.substr(2);
  std::replace(name.begin(), name.end(), '-', '_');
  const train::OptionField* const field = train::find_option(name);
  return field && field->type().empty();
}

}  // namespace

void join_switches(std::vector<std::string>& words) {
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    const std::optional<bool> truth = truth_of(words[i + 1]);
    if (!truth || !is_switch(words[i])) continue;
    words[i] += *truth ? "=true" : "=false";
    words.erase(words.begin() + int64_t(i) + 1);
  }
}

void TrainFlags::add_table(CLI::App& app) {
  for (const train::OptionField& field : train::option_fields()) {
    const std::string name(field.name), dashed = with_dashes(name);
    const std::string names = "--" + name + (dashed == name ? "" : ",--" + dashed);
    app.option_defaults()->group(std::string(field.group));
    if (field.type().empty()) {
      app.add_flag_function(
          names + ",--no-" + dashed + "{false}",
          [this, name](int64_t count) { given[name] = count > 0 ? "true" : "false"; },
          std::string(field.help));
    } else {
      app.add_option_function<std::string>(
             names, [this, name](const std::string& text) { given[name] = text; },
             std::string(field.help))
          ->type_name(std::string(field.type()));
    }
  }
  app.option_defaults()->group("Options");
}

void TrainFlags::add(CLI::App& app) {
  app.add_option("words", words, "[MODEL] DATA...");
  app.add_option("-o,--output_dir,--output-dir", out, "folder of the results")->type_name("DIR");
  app.add_option("--eval-data", eval_data, "files for evaluation (may be given several times)")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_option("--recipe", recipe, "options from a JSON or TOML file")->type_name("FILE");
  app.add_option("--preset", preset, "options of a published recipe; list shows them")
      ->type_name("NAME");
  app.add_option("--preview", preview, "show this many samples, what is trained marked, and stop")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{10000}));
  app.add_flag("--dry-run", dry_run, "check everything, but take no step");
  app.add_flag("--resume", resume, "go on from the newest checkpoint of the folder");
  app.add_option("--resume-from", resume_from, "go on from this checkpoint")->type_name("DIR");
  app.add_option("--write_top_k,--write-top-k", write_top_k,
                 "train nothing: write what MODEL, as a teacher, says of DATA for --teacher_file")
      ->type_name("FILE");
  app.add_flag("--no-feature-cache", no_cache, "keep nothing of pictures on disk");
  engine.add(app);
  add_table(app);
}

base::Status merge_options(const TrainFlags& flags, const std::string& recipe,
                           train::TrainOptions& options) {
  if (!flags.preset.empty()) OCELLI_TRY(train::apply_preset(flags.preset, options));
  if (!recipe.empty()) {
    OCELLI_ASSIGN(const train::Recipe read, read_recipe(recipe));
    OCELLI_TRY(train::apply(read, options));
  }
  for (const auto& [name, text] : flags.given) {
    if (name == "memory" && text != "0") {
      OCELLI_ASSIGN(const int64_t bytes, parse_memory(text));
      options.memory_gib = double(bytes) / double(int64_t{1} << 30);
      continue;
    }
    OCELLI_TRY(train::set_option_text(options, name, text));
  }
  return train::check_options(options);
}

Result<TrainPlan> make_plan_of(const TrainFlags& flags) {
  TrainPlan plan;
  plan.engine = flags.engine;
  plan.out = flags.out;
  plan.resume_from = flags.resume_from;
  std::string model = flags.engine.model;
  if (!flags.resume_from.empty() && plan.out.empty()) {
    plan.out = std::filesystem::path(flags.resume_from).parent_path().string();
  }
  // A run that goes on has its recipe with it.
  std::string recipe_path = flags.recipe;
  const bool resumes = flags.resume || !flags.resume_from.empty();
  if (resumes && recipe_path.empty() && !plan.out.empty()) {
    recipe_path = base::join_path(plan.out, "recipe.json");
  }
  OCELLI_TRY(merge_options(flags, recipe_path, plan.options));
  if (!recipe_path.empty()) {
    OCELLI_ASSIGN(const train::Recipe recipe, read_recipe(recipe_path));
    OCELLI_TRY(take_deciding(recipe.engine, plan.engine).in(recipe_path));
    if (model.empty()) model = recipe.model;
    plan.data = recipe.data;
    plan.eval_data = recipe.eval_data;
  }
  std::vector<std::string> words = flags.words;
  if (!words.empty() && flags.engine.model.empty() && is_model(words[0])) {
    model = words[0];
    words.erase(words.begin());
  }
  for (const std::string& word : words) {
    if (!std::filesystem::exists(word)) {
      return base::fail(Code::kUsage, "is neither a model nor a file of data; check the name",
                        base::printable(word));
    }
  }
  if (!words.empty()) plan.data = words;
  if (!flags.eval_data.empty()) plan.eval_data = flags.eval_data;
  if (plan.data.empty()) {
    return base::fail(Code::kUsage, "no data; name a file: ocelli train MODEL data.jsonl -o OUT");
  }
  if (!model.empty()) {
    OCELLI_ASSIGN(plan.model, resolve_model(model));
  }
  return plan;
}

Result<OpenTeacher> open_teacher(const train::TrainOptions& options, const EngineFlags& flags) {
  OpenTeacher out;
  if (options.teacher_model_name_or_path.empty()) return out;
  EngineFlags own = flags;
  own.mmproj.clear();
  own.adapters.clear();
  own.scaled_adapters.clear();
  own.context = 0;
  own.weights = options.teacher_weights;
  own.exact = true;
  auto path = resolve_model(options.teacher_model_name_or_path);
  if (!path.ok()) return std::move(path).error().in("teacher_model_name_or_path");
  const int64_t before = base::process_memory().now;
  OCELLI_ASSIGN(out.open, open_engine(*path, own));
  out.load = {out.open.engine.get(), std::max<int64_t>(0, base::process_memory().now - before)};
  return out;
}

}  // namespace ocelli::cli
