// Recipe: which encoding each weight of a model gets.
//
//   OCELLI_ASSIGN(const Recipe recipe, Recipe::parse("q4", {"lm_head=f16"}, Format::kSafetensors));
//   OCELLI_ASSIGN(const std::vector<Choice> choices, recipe.choose(map));
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "models/adapter_modules.h"

namespace ocelli::quantize {

enum class Format { kSafetensors, kGguf };

// Parts of a model that presets treat differently.
enum class Role { kText, kHead, kVision, kVector };
// kHead: embeddings and the output head. kVision: the tower and the connector. kVector: norms,
// biases, learned positions; never encoded.
Role role_of(const models::ModelMap& map, const models::ParameterRef& parameter);

// "q4", "Q8_0", "BF16": an encoding that can be written, in any case. In a GGUF file q8 and q4 mean
// Q8_0 and Q4_0, the types of that format. The error lists what there is.
base::Result<encoding::Encoding> parse_type(std::string_view text, Format format);

// Whether `pattern` means the parameter `name`: a glob (*, ?) that fits the name, with or without
// ".weight", from its start or from behind any dot. "down_proj" is every down_proj, "layers.0.*"
// everything of the first layers.
bool matches(std::string_view pattern, std::string_view name);

struct Rule {
  std::string pattern;
  encoding::Encoding encoding;
};

struct Choice {
  models::ParameterRef parameter;
  Role role = Role::kText;
  encoding::Encoding encoding = encoding::Encoding::kF32;
  bool fallback = false;  // stored as f16 since the format cannot hold what was asked for
};

class Recipe {
 public:
  // `rules`: PATTERN=TYPE; of several that fit, the last counts.
  static base::Result<Recipe> parse(std::string_view preset, const std::vector<std::string>& rules,
                                    Format format);

  // One for each parameter that is stored, in the model's order. A rule that fits no matrix is an
  // error (kUsage) with the nearest name.
  base::Result<std::vector<Choice>> choose(const models::ModelMap& map) const;

  // These weights get `encoding` instead, whatever the rules say; `why` is for text().
  void raise(std::vector<std::string> names, encoding::Encoding encoding, std::string why);

  Format format() const { return format_; }
  const std::string& preset() const { return preset_; }
  // What was asked for, in a line: "q4, vision q8, head q8, lm_head=f16".
  std::string text() const;

 private:
  encoding::Encoding wanted(Role role, std::string_view name) const;

  std::string preset_;
  Format format_ = Format::kSafetensors;
  encoding::Encoding text_{}, head_{}, vision_{};
  std::vector<Rule> rules_;
  std::vector<std::string> raised_;  // ascending
  encoding::Encoding raised_to_{};
  std::string raised_why_;
};

}  // namespace ocelli::quantize
