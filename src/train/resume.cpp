#include "train/resume.h"

#include <algorithm>

namespace ocelli::train {

using base::Code;
using base::Json;
using base::Status;

namespace {

constexpr std::string_view kMayChange[] = {
    // Where the run ends, and by what.
    "max_steps", "num_train_epochs", "max_minutes", "early_stopping_patience",
    // What is looked at and kept.
    "logging_steps", "eval_steps", "save_steps", "save_total_limit", "load_best_model_at_end",
    "samples", "save_dtype",
    // Places and limits. Data, model and teacher are known by their contents.
    "media_folder", "allow_outside", "max_bad_rows", "memory", "teacher_model_name_or_path",
    "teacher_file",
    // The same numbers by another way.
    "gradient_checkpointing"};

constexpr std::string_view kEnd[] = {"max_steps", "num_train_epochs"};

// The options of a recipe; what it does not say, or this version does not know, has its default.
TrainOptions options_of(const Json& recipe) {
  TrainOptions out;
  const Json* options = recipe.find("options");
  if (!options || !options->is_object()) return out;
  for (const auto& [name, value] : options->members()) (void)set_option(out, name, value);
  return out;
}

std::string change(std::string_view name, const Json& from, const Json& to) {
  return std::string(name) + " " + base::printable(from.dump(), 60) + " (now " +
         base::printable(to.dump(), 60) + ")";
}

void add(std::string& list, const std::string& item) {
  list += (list.empty() ? "" : ", ") + item;
}

// Names of either that differ. Recipes of earlier versions say nothing of the engine.
void compare_engines(const Json& saved, const Json& now, std::string& refused) {
  const Json *before = saved.find("engine"), *after = now.find("engine");
  if (!before || !before->is_object() || !after || !after->is_object()) return;
  const Json none;
  for (const auto& [name, value] : before->members()) {
    const Json* other = after->find(name);
    if (!other || *other != value) add(refused, change(name, value, other ? *other : none));
  }
  for (const auto& [name, value] : after->members()) {
    if (!before->find(name)) add(refused, change(name, none, value));
  }
}

}  // namespace

bool may_change(std::string_view option) {
  return std::find(std::begin(kMayChange), std::end(kMayChange), option) != std::end(kMayChange);
}

Status check_resumed(const Json& saved, const Json& now,
                     const std::function<void(const std::string&)>& note) {
  const TrainOptions before = options_of(saved), after = options_of(now);
  std::string refused, accepted;
  bool end_moved = false;
  for (const OptionField& f : option_fields()) {
    const Json from = option_json(before, f), to = option_json(after, f);
    if (from == to) continue;
    add(may_change(f.name) ? accepted : refused, change(f.name, from, to));
    end_moved = end_moved || std::find(std::begin(kEnd), std::end(kEnd), f.name) != std::end(kEnd);
  }
  compare_engines(saved, now, refused);
  if (!refused.empty()) {
    return base::fail(Code::kTraining,
                      "the run began with other options: " + refused +
                          "; leave them as they were, or start a new run in another folder (-o), "
                          "which may begin from this one's weights");
  }
  if (!accepted.empty()) {
    note("going on with other options: " + accepted +
         (end_moved ? "; the learning rate follows the new end" : ""));
  }
  return {};
}

}  // namespace ocelli::train
