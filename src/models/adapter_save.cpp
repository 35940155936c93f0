// Writing a PEFT folder, and what an adapter makes of whole parameters.
#include <algorithm>

#include "base/atomic_folder.h"
#include "base/file.h"
#include "encoding/strips.h"
#include "formats/safetensors_writer.h"
#include "models/adapter_state.h"

namespace ocelli::models {

using base::Code;
using base::fail;
using base::Result;
using base::Status;
using encoding::Encoding;

namespace {

constexpr unsigned kMode = 0644;

std::string model_card(const AdapterConfig& config) {
  std::string base = config.base_model_name_or_path;
  for (char& c : base)
    if (c == '\n' || c == '\r' || c == '"') c = ' ';
  return "---\n" + (base.empty() ? "" : "base_model: \"" + base + "\"\n") +
         "library_name: peft\ntags:\n- lora\n- ocelli\n---\n\n# Adapter\n\n" +
         (config.use_dora ? "DoRA" : "LoRA") + " of rank " + std::to_string(config.r) +
         ", made by Ocelli.\n\n```\nocelli run MODEL --adapter THIS_FOLDER photo.jpg "
         "\"...\"\n```\n\n"
         "```python\nmodel = PeftModel.from_pretrained(base_model, \"THIS_FOLDER\")\n```\n";
}

// As the file holds it: the shape that PEFT has, and the numbers in that order.
std::vector<int64_t> stored_shape(const AdapterTensor& t, const formats::Checkpoint& base) {
  if (t.turned) return {t.shape[1], t.shape[0]};
  const std::string_view name(t.name);
  const formats::TensorInfo* info = base.find(name.substr(std::string_view(kKeyPrefix).size()));
  return info ? info->shape : t.shape;  // a convolution has four dimensions
}

std::vector<float> stored_numbers(const AdapterTensor& t) {
  std::vector<float> out(t.value, t.value + t.count);
  if (!t.turned) return out;
  const int64_t rows = t.shape[0], cols = t.shape[1];
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < cols; ++k) out[size_t(k * rows + r)] = t.value[r * cols + k];
  return out;
}

}  // namespace

Status Adapter::save(const std::string& folder) const {
  const State& s = *state_;
  OCELLI_ASSIGN(base::AtomicFolder out, base::AtomicFolder::create(folder, true));
  std::vector<formats::TensorSpec> specs;
  for (const AdapterTensor& t : s.tensors)
    specs.push_back({t.name, Encoding::kF32, stored_shape(t, s.loaded.checkpoint)});
  formats::Metadata metadata{{"format", "pt"}};
  if (s.loaded.checkpoint.format() == "safetensors")
    metadata.emplace_back("base_fingerprint", s.loaded.checkpoint.fingerprint().hex());
  OCELLI_ASSIGN(auto writer, formats::SafetensorsWriter::create(out.file(kAdapterWeightsFile),
                                                                specs, metadata, kMode));
  for (const AdapterTensor& t : s.tensors) {
    const std::vector<float> numbers = stored_numbers(t);
    OCELLI_TRY(writer.write(std::as_bytes(std::span(numbers))));
  }
  OCELLI_TRY(writer.commit());
  OCELLI_TRY(base::write_file_atomically(out.file(kAdapterConfigFile),
                                         s.config.json().dump(2) + "\n", kMode));
  OCELLI_TRY(base::write_file_atomically(out.file("README.md"), model_card(s.config), kMode));
  return out.commit();
}

namespace {

// `next` after what `edits` has for the parameter already.
void chain(RowEdit& edit, RowEdit next) {
  if (!edit) {
    edit = std::move(next);
    return;
  }
  edit = [first = std::move(edit), second = std::move(next)](int64_t row,
                                                             std::span<float> numbers) {
    first(row, numbers);
    second(row, numbers);
  };
}

RowEdit merging(const nn::Lora& lora, float weight, bool of_embedding) {
  nn::Lora l = lora;
  l.weight = weight;
  return [l, of_embedding](int64_t row, std::span<float> numbers) {
    nn::merge_row(l, row, numbers, of_embedding);
  };
}

// Row `row` of a replacement; a vector is one row.
RowEdit replacing(const ReplacedParameter& r) {
  const float* data =
      r.at.weight ? reinterpret_cast<const float*>(r.own_weight.data) : r.own_vector.f32();
  return [data](int64_t row, std::span<float> numbers) {
    std::copy_n(data + row * int64_t(numbers.size()), numbers.size(), numbers.data());
  };
}

// The base matrix of a tied head, row by row.
RowEdit reading(const nn::Weight& w) {
  return [w](int64_t row, std::span<float> numbers) { encoding::read_row(w, row, numbers.data()); };
}

}  // namespace

Status Adapter::add_edits(float weight, SaveOptions& options) const {
  OCELLI_CHECK(!state_->attached, "an adapter is merged into the model without it");
  if (weight != 1 && !state_->replaced.empty()) {
    return fail(Code::kUsage, "the adapter replaces " + state_->replaced[0]->at.name +
                                  ", so that its weight can only be 1");
  }
  // A tied head becomes one of its own when it or the embedding changes.
  const ModelMap map(*state_->loaded.model);
  for (const ModuleRef& head : map.modules()) {
    if (!head.tied_to || options.untied_head) continue;
    const auto touched = [&](const ModuleRef& at) {
      return at.linear == head.linear || at.embedding == head.tied_to;
    };
    const bool changes =
        std::any_of(state_->modules.begin(), state_->modules.end(),
                    [&](const auto& m) { return touched(m->at); }) ||
        std::any_of(state_->replaced.begin(), state_->replaced.end(), [&](const auto& r) {
          return r->at.weight == &head.tied_to->w || r->at.weight == &head.linear->w;
        });
    if (changes) options.untied_head = reading(head.tied_to->w);
  }
  for (const auto& m : state_->modules) {
    RowEdit edit = merging(m->lora, weight, m->at.embedding != nullptr);
    chain(m->at.tied_to ? options.untied_head : options.edits[m->at.name + ".weight"],
          std::move(edit));
  }
  for (const auto& r : state_->replaced) {
    chain(r->at.tied_head ? options.untied_head : options.edits[r->at.name], replacing(*r));
  }
  return {};
}

}  // namespace ocelli::models
