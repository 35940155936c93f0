// Recipes: training options in a file, and presets that replay published ones.
#pragma once

#include <string>
#include <vector>

#include "train/options.h"

namespace ocelli::train {

inline constexpr size_t kMaxRecipeBytes = size_t{1} << 20;

// What a recipe may say; what it leaves out is empty.
struct Recipe {
  std::string model;
  std::vector<std::string> data, eval_data;
  base::Json options = base::Json::object();  // by the names of option_fields()
  base::Json engine = base::Json::object();   // how the model is loaded; whoever loads it knows
};

// A JSON object with options at the top or under "options", as recipe.json has them; or the same in
// TOML. Told apart by the first character. Unknown names are errors (kUsage).
base::Result<Recipe> parse_recipe(std::string_view text);
base::Status apply(const Recipe& recipe, TrainOptions& options);

struct Preset {
  std::string_view name, about;  // where it is from
  // Options as on the command line.
  std::vector<std::pair<std::string_view, std::string_view>> options;
};
const std::vector<Preset>& presets();
base::Status apply_preset(std::string_view name, TrainOptions& options);

// A TOML document as JSON; dates are refused.
base::Result<base::Json> parse_toml(std::string_view text);

}  // namespace ocelli::train
