#include "formats/model_folder.h"

#include <algorithm>
#include <filesystem>

namespace ocelli::formats {

using base::Code;
using base::fail;
using base::Result;

namespace fs = std::filesystem;

Result<ModelFolder> ModelFolder::open(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return fail(Code::kBadInput, "no such folder; check the name", path);
  if (!fs::is_directory(status)) {
    return fail(Code::kBadInput, "is not a folder; give the folder that holds config.json", path);
  }
  ModelFolder folder;
  folder.path_ = path;
  fs::path whole = fs::absolute(path, error).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();  // "models/a/"
  folder.name_ = whole.filename().string();
  return folder;
}

ModelFolder ModelFolder::embedded(std::string name, std::span<const EmbeddedFile> files) {
  ModelFolder folder;
  folder.name_ = std::move(name);
  folder.files_ = files;
  return folder;
}

const EmbeddedFile* ModelFolder::embedded_file(std::string_view name) const {
  const auto found = std::find_if(files_.begin(), files_.end(),
                                  [&](const EmbeddedFile& f) { return f.name == name; });
  return found == files_.end() ? nullptr : &*found;
}

bool ModelFolder::has(std::string_view name) const {
  OCELLI_CHECK(name.find('/') == name.npos, "a file of the folder itself");
  if (path_.empty()) return embedded_file(name) != nullptr;
  std::error_code error;
  return fs::exists(fs::path(path_) / name, error);
}

Result<std::optional<std::string>> ModelFolder::text(const std::string& name,
                                                     size_t max_bytes) const {
  if (!has(name)) return std::optional<std::string>();
  if (!path_.empty()) {
    OCELLI_ASSIGN(std::string text, base::read_file((fs::path(path_) / name).string(), max_bytes));
    return std::optional<std::string>(std::move(text));
  }
  const auto bytes = embedded_file(name)->bytes;
  if (bytes.size() > max_bytes) {
    return fail(Code::kDoesNotFit,
                "is too large (" + std::to_string(bytes.size()) + " bytes, limit " +
                    std::to_string(max_bytes) + ")",
                name);
  }
  return std::optional<std::string>(std::in_place, reinterpret_cast<const char*>(bytes.data()),
                                    bytes.size());
}

Result<Checkpoint> ModelFolder::weights() const {
  if (!path_.empty()) return Checkpoint::open(path_);
  const EmbeddedFile* file = embedded_file("model.safetensors");
  if (!file) return fail(Code::kBadInput, "model.safetensors is not part of this build", name_);
  return Checkpoint::from_memory(file->bytes).in(name_);
}

}  // namespace ocelli::formats
