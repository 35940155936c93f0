#include "models/adapter_modules.h"

#include <algorithm>
#include <map>

namespace ocelli::models {
namespace {

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> parts;
  for (size_t at = 0; at <= path.size();) {
    const size_t dot = std::min(path.find('.', at), path.size());
    parts.push_back(path.substr(at, dot - at));
    at = dot + 1;
  }
  return parts;
}

std::string_view part_name(std::string_view part) {
  if (part == "text_model" || part == "language_model") return "text";
  if (part == "vision_model" || part == "vision_tower") return "vision";
  if (part == "multi_modal_projector") return "connector";
  return part;
}

}  // namespace

std::string loose_path(std::string_view path) {
  std::vector<std::string_view> out;
  for (const std::string_view part : split(path)) {
    const std::string_view name = part_name(part);
    if (name == "model" || (name == "vision" && !out.empty() && out.back() == name)) continue;
    // language_model.lm_head, as it once was
    if (name == "lm_head" && !out.empty() && out.back() == "text") out.pop_back();
    out.push_back(name);
  }
  std::string text;
  for (const std::string_view part : out) (text.empty() ? text : text += '.') += part;
  return text;
}

void ModelMap::Paths::add(const std::string& name, int index) {
  exact.emplace(name, index);
  const auto [at, is_new] = loose.emplace(loose_path(name), index);
  if (!is_new) at->second = -2;
}

int ModelMap::find(const Paths& paths, std::string_view path) {
  if (const auto it = paths.exact.find(path); it != paths.exact.end()) return it->second;
  const auto it = paths.loose.find(loose_path(path));
  return it == paths.loose.end() || it->second < 0 ? -1 : it->second;
}

class ModelMap::Collector : public nn::ParameterVisitor {
 public:
  explicit Collector(ModelMap& map) : map_(map) {}

  void matrix(const std::string& name, nn::Weight& w, int64_t rows, int64_t cols) override {
    map_.parameters_.push_back({name, &w, nullptr, {rows, cols}, false, nullptr});
    shapes_[name] = {rows, cols};
  }
  void vector(const std::string& name, Tensor& t, std::initializer_list<int64_t> shape) override {
    map_.parameters_.push_back({name, nullptr, &t, shape, false, nullptr});
  }
  void module(const std::string& name, nn::Linear& linear) override {
    const auto [rows, cols] = shapes_[name + ".weight"];
    map_.modules_.push_back({name, &linear, nullptr, rows, cols, nullptr});
  }
  void embedding_module(const std::string& name, nn::Embedding& embedding) override {
    const auto [rows, cols] = shapes_[name + ".weight"];
    map_.modules_.push_back({name, nullptr, &embedding, rows, cols, nullptr});
    embeddings_[name] = &embedding;
  }
  void tied_module(const std::string& name, nn::Linear& linear, const std::string& of) override {
    const auto [rows, cols] = shapes_[of + ".weight"];
    nn::Embedding* embedding = embeddings_[of];
    map_.modules_.push_back({name, &linear, nullptr, rows, cols, embedding});
    map_.parameters_.push_back(
        {name + ".weight", &linear.w, nullptr, {rows, cols}, true, embedding});
  }

 private:
  ModelMap& map_;
  std::map<std::string, std::pair<int64_t, int64_t>> shapes_;
  std::map<std::string, nn::Embedding*> embeddings_;
};

ModelMap::ModelMap(Model& model) {
  Collector collector(*this);
  model.visit(collector);
  for (size_t i = 0; i < modules_.size(); ++i) module_paths_.add(modules_[i].name, int(i));
  for (size_t i = 0; i < parameters_.size(); ++i) parameter_paths_.add(parameters_[i].name, int(i));
}

namespace {

std::optional<AdapterPart> part_of(std::string_view word) {
  if (word == "lora_A") return AdapterPart::kA;
  if (word == "lora_B") return AdapterPart::kB;
  if (word == "lora_embedding_A") return AdapterPart::kEmbeddingA;
  if (word == "lora_embedding_B") return AdapterPart::kEmbeddingB;
  if (word == "lora_magnitude_vector") return AdapterPart::kMagnitude;
  return {};
}

std::string join(std::span<const std::string_view> parts) {
  std::string out;
  for (const std::string_view part : parts) (out.empty() ? out : out += '.') += part;
  return out;
}

}  // namespace

std::optional<AdapterKey> parse_adapter_key(std::string_view key) {
  // A model that was wrapped twice has the prefix twice.
  for (const std::string_view prefix : {"base_model.model.", "base_model."})
    while (key.starts_with(prefix)) key.remove_prefix(prefix.size());
  const std::vector<std::string_view> parts = split(key);
  const std::span<const std::string_view> all(parts);
  for (size_t i = 1; i < parts.size(); ++i) {
    const size_t behind = parts.size() - i - 1;
    if (parts[i] == "modules_to_save") {  // X.modules_to_save.NAME.weight
      if (behind != 2) return {};
      return AdapterKey{AdapterPart::kWhole, join(all.first(i)) + "." + std::string(parts.back())};
    }
    const auto part = part_of(parts[i]);
    if (!part) continue;
    // lora_A.weight, lora_A.NAME.weight; lora_embedding_A, lora_embedding_A.NAME;
    // lora_magnitude_vector, with .weight or .NAME or both behind it
    const bool factor = *part == AdapterPart::kA || *part == AdapterPart::kB;
    const bool weight = behind > 0 && parts.back() == "weight";
    if (behind > 2 || (factor && !weight) || (behind == 2 && !weight)) return {};
    return AdapterKey{*part, join(all.first(i))};
  }
  if (parts.size() > 2 && parts[parts.size() - 2] == "base_layer") {
    return AdapterKey{AdapterPart::kBase,
                      join(all.first(parts.size() - 2)) + "." + std::string(parts.back())};
  }
  return AdapterKey{AdapterPart::kWhole, std::string(key)};
}

}  // namespace ocelli::models
