// GgufModel: GGUF files as a folder in Hugging Face layout, so that nobody above needs to know the
// format.
//
//   OCELLI_ASSIGN(const auto model, GgufModel::open("SmolVLM2.gguf", ""));
//   OCELLI_ASSIGN(const std::string config, model->text("config.json"));
#pragma once

#include "formats/checkpoint.h"
#include "formats/gguf_tensors.h"

namespace ocelli::formats {

// What a person gives for --mmproj when a model is to be read without its pictures' half.
inline constexpr std::string_view kNoProjector = "none";

class GgufModel : public std::enable_shared_from_this<GgufModel> {
 public:
  // `projector` is the file of the vision tower (mmproj), kNoProjector, or "": then it is looked
  // for beside the model if that takes pictures, among files with "mmproj" in their names. Several
  // that fit are an error that lists them.
  static base::Result<std::shared_ptr<const GgufModel>> open(const std::string& path,
                                                             const std::string& projector);

  bool has(std::string_view name) const;
  // The content of a file that has().
  base::Result<std::string> text(std::string_view name) const;

  // Keeps this object alive.
  base::Result<Checkpoint> weights() const;

 private:
  struct Opening {};

 public:
  GgufModel(Opening, std::vector<GgufFile> files) : files_(std::move(files)) {}

 private:
  const GgufMetadata& metadata() const { return files_[0].metadata(); }
  base::Status find_projector(const std::string& path);
  base::Result<std::string> make_text(std::string_view name) const;
  bool tied() const;

  std::vector<GgufFile> files_;  // the shards of the text model
  std::vector<GgufFile> projector_;
};

}  // namespace ocelli::formats
