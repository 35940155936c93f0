// AdapterConfig: adapter_config.json of a PEFT folder, for LoRA and its relatives.
// https://huggingface.co/docs/peft/package_reference/lora; docs/formats.md, "Adapters".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace ocelli::models {

inline constexpr int64_t kMaxRank = 4096;
inline constexpr size_t kMaxModuleNames = 4096;  // of one list in adapter_config.json
inline constexpr size_t kMaxSavedModules = 256;  // of modules_to_save
inline constexpr size_t kMaxNamePatterns = 64;   // of rank_pattern or alpha_pattern, but for names
inline constexpr double kMaxScale = 1e4;         // alpha / rank; published adapters have 0.5 to 64

// Which modules: names, each equal to the module's or to its end behind a dot; or one pattern for
// the whole name (Python's re.fullmatch); or every Linear but the output head.
struct ModuleNames {
  std::vector<std::string> names;
  std::string pattern;  // "" where names count
  bool all_linear = false;

  bool empty() const { return names.empty() && pattern.empty() && !all_linear; }
  // A list, the text "all-linear", or a pattern; null is empty.
  static base::Result<ModuleNames> parse(const base::Json& json, std::string_view key);
  base::Json json() const;
  bool operator==(const ModuleNames&) const = default;
};

struct AdapterConfig {
  int64_t r = 8;
  double lora_alpha = 8;
  double lora_dropout = 0;
  ModuleNames target_modules;
  ModuleNames exclude_modules;
  std::vector<std::pair<std::string, int64_t>> rank_pattern;  // pattern of the name's end -> rank
  std::vector<std::pair<std::string, double>> alpha_pattern;
  bool use_rslora = false;
  bool use_dora = false;
  std::vector<std::string> modules_to_save;  // ends of module names
  std::vector<int64_t> layers_to_transform;  // empty: all
  std::vector<std::string> layers_pattern;   // names before a layer's number; empty: any
  bool gaussian = false;                     // a drawn from N(0, 1 / rank), else kaiming-uniform
  std::string base_model_name_or_path;       // of the model it was made for, "" where unknown
  std::string task_type = "CAUSAL_LM";
  std::vector<base::Json::Member> others;  // what makes no difference here, as it came

  // What would change the meaning and is not known is refused by name.
  static base::Result<AdapterConfig> parse(const base::Json& json);
  // As PEFT writes it, for inference.
  base::Json json() const;

  // alpha / rank, or alpha / sqrt(rank).
  double scale(double alpha, int64_t rank) const;
};

// What a module is, for AdapterMatcher.
struct ModuleKind {
  bool embedding = false;
  bool head = false;  // turns hidden states into logits
};

// AdapterConfig's patterns, compiled.
class AdapterMatcher {
 public:
  static base::Result<AdapterMatcher> create(const AdapterConfig& config);
  ~AdapterMatcher();
  AdapterMatcher(AdapterMatcher&&) noexcept;
  AdapterMatcher& operator=(AdapterMatcher&&) noexcept;

  // Whether a module gets a low-rank adapter.
  base::Result<bool> targets(std::string_view module, ModuleKind kind) const;
  // Whether a parameter ("model.norm.weight") is trained in full because of modules_to_save.
  bool saves(std::string_view parameter) const;
  // The first pattern that fits the module's name, or its end behind a dot, wins.
  base::Result<int64_t> rank_of(std::string_view module) const;
  base::Result<double> alpha_of(std::string_view module) const;

 private:
  struct State;
  explicit AdapterMatcher(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ocelli::models
