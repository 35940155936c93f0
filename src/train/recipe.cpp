#include "train/recipe.h"

#include "base/nearest.h"

namespace ocelli::train {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

namespace {

Result<std::vector<std::string>> read_list(const Json& json, std::string_view key) {
  std::vector<std::string> out;
  if (json.is_string()) return std::vector<std::string>{json.as_string()};
  if (!json.is_array()) return base::fail(Code::kUsage, "must be a list of files", key);
  for (const Json& item : json.items()) {
    if (!item.is_string()) return base::fail(Code::kUsage, "must be a list of files", key);
    out.push_back(item.as_string());
  }
  return out;
}

Status take_options(const Json& json, Recipe& recipe) {
  if (!json.is_object()) return base::fail(Code::kUsage, "must be a table of options", "options");
  for (const auto& [key, value] : json.members()) recipe.options.set(key, value);
  TrainOptions scratch;
  return apply(recipe, scratch);
}

}  // namespace

Result<Recipe> parse_recipe(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  const bool is_json = first != std::string_view::npos && text[first] == '{';
  auto parsed = is_json ? Json::parse(text, {.max_bytes = kMaxRecipeBytes}) : parse_toml(text);
  OCELLI_ASSIGN(const Json json, std::move(parsed));
  Recipe recipe;
  Json options = Json::object();
  for (const auto& [key, value] : json.members()) {
    if (key == "model") {
      if (!value.is_string()) return base::fail(Code::kUsage, "must be a text", key);
      recipe.model = value.as_string();
    } else if (key == "data") {
      OCELLI_ASSIGN(recipe.data, read_list(value, key));
    } else if (key == "eval_data") {
      OCELLI_ASSIGN(recipe.eval_data, read_list(value, key));
    } else if (key == "engine") {
      if (!value.is_object()) return base::fail(Code::kUsage, "must be a table of options", key);
      recipe.engine = value;
    } else if (key == "options") {
      if (!value.is_object()) return base::fail(Code::kUsage, "must be a table of options", key);
      for (const auto& [name, option] : value.members()) options.set(name, option);
    } else if (key == "now" && value.is_number()) {
      continue;  // when the saved run began
    } else if (key != "teacher_hash") {
      options.set(key, value);
    }
  }
  OCELLI_TRY(take_options(options, recipe));
  return recipe;
}

Status apply(const Recipe& recipe, TrainOptions& options) {
  for (const auto& [key, value] : recipe.options.members()) {
    OCELLI_TRY(set_option(options, key, value));
  }
  return {};
}

Status apply_preset(std::string_view name, TrainOptions& options) {
  std::vector<std::string> names;
  for (const Preset& p : presets()) {
    if (p.name != name) {
      names.emplace_back(p.name);
      continue;
    }
    for (const auto& [option, value] : p.options) {
      OCELLI_TRY(set_option_text(options, option, std::string(value)));
    }
    return {};
  }
  const std::string near = base::nearest(name, names);
  return base::fail(Code::kUsage,
                    "\"" + base::printable(name, 40) + "\" is no preset; " +
                        (near.empty() ? "--preset list shows them" : "did you mean " + near + "?"),
                    "--preset");
}

}  // namespace ocelli::train
