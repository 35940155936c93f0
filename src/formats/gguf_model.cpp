#include "formats/gguf_model.h"

#include <algorithm>
#include <filesystem>

#include "base/advice.h"
#include "formats/gguf_split.h"
#include "formats/gguf_tokenizer.h"

namespace ocelli::formats {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTemplate = "tokenizer.chat_template";

// Files beside the model that call themselves projectors, in the order of their names.
std::vector<std::string> projectors_beside(const std::string& path) {
  constexpr size_t kMostLooked = 10'000;  // a folder may be anything
  const fs::path folder = fs::path(path).has_parent_path() ? fs::path(path).parent_path() : ".";
  std::vector<std::string> out;
  std::error_code error;
  size_t seen = 0;
  for (fs::directory_iterator it(folder, error), end; !error && it != end && seen < kMostLooked;
       it.increment(error), ++seen) {
    std::string name = it->path().filename().string();
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    if (name.find("mmproj") != name.npos && name.ends_with(".gguf")) {
      out.push_back(fs::path(path).has_parent_path() ? it->path().string()
                                                     : it->path().filename().string());
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

// With the next step, where the place of the error knew none.
template <class T>
Result<T> advised(Result<T> result) {
  return base::with_advice(std::move(result), base::kFileAdvice);
}

struct Owner {
  std::shared_ptr<const GgufModel> model;
  OwnedRows rows;
};

}  // namespace

Result<std::shared_ptr<const GgufModel>> GgufModel::open(const std::string& path,
                                                         const std::string& projector) {
  OCELLI_ASSIGN(std::vector<GgufFile> files, open_gguf(path));
  OCELLI_TRY(advised(gguf_architecture(files[0].metadata())).in(path));
  auto model = std::make_shared<GgufModel>(Opening{}, std::move(files));
  if (projector == kNoProjector) return std::shared_ptr<const GgufModel>(model);
  if (projector.empty()) {
    if (takes_pictures(model->metadata())) OCELLI_TRY(model->find_projector(path));
    return std::shared_ptr<const GgufModel>(model);
  }
  OCELLI_ASSIGN(model->projector_, open_gguf(projector));
  OCELLI_TRY(
      advised(check_projector(model->metadata(), model->projector_[0].metadata())).in(projector));
  return std::shared_ptr<const GgufModel>(model);
}

Status GgufModel::find_projector(const std::string& path) {
  std::vector<std::string> fitting;
  const std::string own = "mmproj-" + fs::path(path).filename().string();
  for (const std::string& candidate : projectors_beside(path)) {
    OCELLI_ASSIGN(std::vector<GgufFile> files, open_gguf(candidate));
    if (!check_projector(metadata(), files[0].metadata()).ok()) continue;  // of another model
    fitting.push_back(candidate);
    const bool called_so = fs::path(candidate).filename() == own;
    if (projector_.empty() || called_so) projector_ = std::move(files);
    if (called_so) return {};
  }
  if (fitting.size() < 2) return {};
  std::string list;
  for (const std::string& name : fitting) {
    list += (list.empty() ? "" : ", ") + base::printable(name, 120);
    if (list.size() > 1000) break;
  }
  return fail(Code::kUsage,
              "several vision towers lie beside the model (" + list + "); choose one with --mmproj",
              path);
}

bool GgufModel::tied() const {
  return std::none_of(files_.begin(), files_.end(), [](const GgufFile& file) {
    return std::any_of(file.tensors().begin(), file.tensors().end(),
                       [](const TensorInfo& t) { return t.name == "output.weight"; });
  });
}

bool GgufModel::has(std::string_view name) const {
  if (name == "preprocessor_config.json" || name == "processor_config.json") {
    return !projector_.empty();
  }
  if (name == "chat_template.jinja") return metadata().has(kTemplate);
  return name == "config.json" || name == "tokenizer.json" || name == "tokenizer_config.json" ||
         name == "generation_config.json";
}

Result<std::string> GgufModel::text(std::string_view name) const {
  return advised(make_text(name));
}

Result<std::string> GgufModel::make_text(std::string_view name) const {
  const GgufMetadata* pictures = projector_.empty() ? nullptr : &projector_[0].metadata();
  if (name == "config.json") return gguf_config_json({metadata(), pictures, tied()});
  if (name == "generation_config.json") return gguf_generation_config(metadata());
  if (name == "tokenizer_config.json") return gguf_tokenizer_config(metadata());
  if (name == "tokenizer.json") {
    OCELLI_ASSIGN(const GgufArchitecture* architecture, gguf_architecture(metadata()));
    return gguf_tokenizer_json(metadata(), architecture->name);
  }
  if (name == "chat_template.jinja") {
    OCELLI_ASSIGN(const std::string_view text, metadata().text(kTemplate));
    return std::string(text);
  }
  OCELLI_CHECK(pictures && has(name), "a file that is there");
  return name == "preprocessor_config.json" ? gguf_preprocessor_config(*pictures)
                                            : gguf_processor_config(*pictures);
}

Result<Checkpoint> GgufModel::weights() const {
  OCELLI_ASSIGN(const GgufArchitecture* architecture, gguf_architecture(metadata()));
  auto owner = std::make_shared<Owner>();
  owner->model = shared_from_this();
  GgufTensorOptions options;
  options.pictures = !projector_.empty();
  if (architecture->interleaved_rotary) {
    OCELLI_ASSIGN(options.interleaved, advised(gguf_heads(metadata())));
  }
  Checkpoint::Foreign foreign;
  foreign.format = "GGUF " + std::to_string(files_[0].version());
  for (const GgufValue& value : metadata().values()) {
    foreign.metadata.emplace_back(std::string(value.key), value_text(value));
  }
  for (const std::vector<GgufFile>* part : {&files_, &projector_}) {
    for (const GgufFile& file : *part) {
      OCELLI_TRY(advised(append_tensors(file, options, foreign.tensors, owner->rows)));
      foreign.mappings.push_back(&file.mapping());
    }
  }
  foreign.owner = std::move(owner);
  return Checkpoint::of(std::move(foreign));
}

}  // namespace ocelli::formats
