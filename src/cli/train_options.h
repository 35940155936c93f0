// Options of `ocelli train`: its own, and those of the table in train/options.h, from a preset, a
// recipe and the command line, the later winning.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/engine_options.h"
#include "train/forecast.h"
#include "train/recipe.h"

namespace ocelli::cli {

struct TrainFlags {
  EngineFlags engine;
  std::vector<std::string> words;  // [MODEL] DATA...
  std::string out, recipe, preset, resume_from, write_top_k;
  std::vector<std::string> eval_data;
  int64_t preview = 0;
  bool resume = false, dry_run = false, no_cache = false;
  std::map<std::string, std::string> given;  // of the table, as text

  void add(CLI::App& app);
  // Those of the table alone, for `plan --train`.
  void add_table(CLI::App& app);
};

// Switches take a word after them as well, `--packing True`, as transformers' scripts do: such
// pairs become one word.
void join_switches(std::vector<std::string>& words);

struct TrainPlan {
  EngineFlags engine;  // with what the recipe says of them
  std::string model, out, resume_from;
  std::vector<std::string> data, eval_data;
  train::TrainOptions options;
};

// The options alone: of the preset, then of the recipe at `recipe` ("": none), then those given.
base::Status merge_options(const TrainFlags& flags, const std::string& recipe,
                           train::TrainOptions& options);
base::Result<TrainPlan> make_plan_of(const TrainFlags& flags);

// The teacher that the options name, frozen; nothing where they name none. Of `flags` only what is
// of the machine counts.
struct OpenTeacher {
  OpenEngine open;
  train::TeacherLoad load;
};
base::Result<OpenTeacher> open_teacher(const train::TrainOptions& options,
                                       const EngineFlags& flags);

}  // namespace ocelli::cli
