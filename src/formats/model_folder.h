// ModelFolder: the files of a model in Hugging Face layout: on disk, inside the program, or made of
// what a GGUF file holds.
//
//   OCELLI_ASSIGN(const ModelFolder folder, ModelFolder::open("models/SmolVLM2-256M"));
//   OCELLI_ASSIGN(const auto config, folder.text("config.json", kMaxConfigBytes));
//   OCELLI_ASSIGN(Checkpoint weights, folder.weights());
#pragma once

#include "formats/checkpoint.h"

namespace ocelli::formats {

// A file that is part of the program.
struct EmbeddedFile {
  std::string_view name;
  std::span<const std::byte> bytes;
};

class GgufModel;

// Whether a path is that of a GGUF file, by its name.
bool is_gguf_name(std::string_view path);

class ModelFolder {
 public:
  // `path` must be a folder, whose files are looked at when asked for, or a file that ends in
  // ".gguf", whose header is read at once. `projector` is the GGUF file of the latter's vision
  // tower (GgufModel::open() says what "" means); for a folder it must be empty.
  static base::Result<ModelFolder> open(const std::string& path, const std::string& projector = "");

  // `files` must outlive the folder and the checkpoint taken from it.
  static ModelFolder embedded(std::string name, std::span<const EmbeddedFile> files);

  // What to call the model: the last part of the path, or the name given to embedded().
  const std::string& name() const { return name_; }
  // "" for a model that is part of the program.
  const std::string& path() const { return path_; }

  bool is_gguf() const { return gguf_ != nullptr; }

  // Whether there is a file of this name (a plain name, no path).
  bool has(std::string_view name) const;

  // The whole file, or nothing where there is none. More than max_bytes is an error. Where
  // tokenizer.json is missing but tokenizer.model is there, it is made of that (formats/pieces.h).
  base::Result<std::optional<std::string>> text(const std::string& name, size_t max_bytes) const;

  base::Result<Checkpoint> weights() const;

 private:
  base::Result<std::optional<std::string>> from_pieces(size_t max_bytes) const;
  const EmbeddedFile* embedded_file(std::string_view name) const;

  std::string name_, path_;
  std::span<const EmbeddedFile> files_;
  std::shared_ptr<const GgufModel> gguf_;
};

}  // namespace ocelli::formats
