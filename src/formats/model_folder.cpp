#include "formats/model_folder.h"

#include <algorithm>
#include <filesystem>

#include "formats/gguf_model.h"
#include "formats/pieces.h"

namespace ocelli::formats {

using base::Code;
using base::fail;
using base::Result;

namespace fs = std::filesystem;

namespace {

constexpr const char* kSentencePieceFile = "tokenizer.model";
constexpr size_t kMaxTokenizerConfigBytes = size_t{4} << 20;  // 6,000 added tokens take 1 MB
constexpr size_t kMaxConfigBytes = size_t{1} << 20;

// .../models--owner--name/snapshots/COMMIT, as the Hub's cache has it, is "owner/name".
std::optional<std::string> hub_name(const fs::path& folder) {
  const fs::path snapshots = folder.parent_path();
  std::string name = snapshots.parent_path().filename().string();
  if (snapshots.filename() != "snapshots" || !name.starts_with("models--")) return std::nullopt;
  name.erase(0, 8);
  if (const size_t at = name.find("--"); at != name.npos) name.replace(at, 2, "/");
  return name;
}

}  // namespace

namespace {

base::Error too_large(const std::string& name, size_t bytes, size_t max_bytes) {
  return fail(
      Code::kDoesNotFit,
      "is too large (" + std::to_string(bytes) + " bytes, limit " + std::to_string(max_bytes) + ")",
      name);
}

}  // namespace

bool is_gguf_name(std::string_view path) {
  constexpr std::string_view kEnding = ".gguf";
  if (path.size() <= kEnding.size()) return false;
  const std::string_view end = path.substr(path.size() - kEnding.size());
  return std::equal(end.begin(), end.end(), kEnding.begin(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? char(a + 32) : a) == b; });
}

Result<ModelFolder> ModelFolder::open(const std::string& path, const std::string& projector) {
  std::error_code error;
  if (is_gguf_name(path) && !fs::is_directory(path, error)) {
    ModelFolder folder;
    OCELLI_ASSIGN(folder.gguf_, GgufModel::open(path, projector));
    folder.path_ = path;
    folder.name_ = fs::path(path).stem().string();
    return folder;
  }
  if (!projector.empty()) {
    return fail(Code::kUsage, "a vision tower of its own belongs to a .gguf model, not to a folder",
                path);
  }
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return fail(Code::kBadInput, "no such folder; check the name", path);
  if (!fs::is_directory(status)) {
    return fail(Code::kBadInput,
                "is not a folder or .gguf file; give the folder that holds config.json", path);
  }
  ModelFolder folder;
  folder.path_ = path;
  fs::path whole = fs::absolute(path, error).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();  // "models/a/"
  folder.name_ = hub_name(whole).value_or(whole.filename().string());
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
  if (gguf_) return gguf_->has(name);
  if (path_.empty()) return embedded_file(name) != nullptr;
  std::error_code error;
  return fs::exists(fs::path(path_) / name, error);
}

Result<std::optional<std::string>> ModelFolder::text(const std::string& name,
                                                     size_t max_bytes) const {
  if (!has(name)) {
    if (name == "tokenizer.json" && has(kSentencePieceFile)) return from_pieces(max_bytes);
    return std::optional<std::string>();
  }
  if (gguf_) {
    OCELLI_ASSIGN(std::string text, gguf_->text(name).in(path_));
    if (text.size() <= max_bytes) return std::optional<std::string>(std::move(text));
    return too_large(name, text.size(), max_bytes);
  }
  if (!path_.empty()) {
    OCELLI_ASSIGN(std::string text, base::read_file((fs::path(path_) / name).string(), max_bytes));
    return std::optional<std::string>(std::move(text));
  }
  const auto bytes = embedded_file(name)->bytes;
  if (bytes.size() > max_bytes) return too_large(name, bytes.size(), max_bytes);
  return std::optional<std::string>(std::in_place, reinterpret_cast<const char*>(bytes.data()),
                                    bytes.size());
}

// The tokenizer.json that transformers makes of tokenizer.model and tokenizer_config.json.
Result<std::optional<std::string>> ModelFolder::from_pieces(size_t max_bytes) const {
  OCELLI_ASSIGN(const auto found, text(kSentencePieceFile, kMaxSentencePieceBytes));
  const std::string file = found.value_or(std::string());
  OCELLI_ASSIGN(PieceModel model,
                parse_sentencepiece(std::as_bytes(std::span(file))).in(kSentencePieceFile));
  OCELLI_ASSIGN(const auto config, text("tokenizer_config.json", kMaxTokenizerConfigBytes));
  if (config) {
    OCELLI_ASSIGN(const base::Json json,
                  base::Json::parse(*config, {.max_bytes = kMaxTokenizerConfigBytes})
                      .in("tokenizer_config.json"));
    OCELLI_TRY(apply_tokenizer_config(json, model).in("tokenizer_config.json"));
  }
  OCELLI_ASSIGN(std::string json, tokenizer_json(model).in(kSentencePieceFile));
  if (json.size() > max_bytes) {
    return fail(Code::kDoesNotFit,
                "is too large (" + std::to_string(json.size()) +
                    " bytes as tokenizer.json, limit " + std::to_string(max_bytes) + ")",
                kSentencePieceFile);
  }
  return std::optional<std::string>(std::move(json));
}

Result<Checkpoint> ModelFolder::weights() const {
  if (gguf_) return gguf_->weights().in(path_);
  Checkpoint out;
  if (!path_.empty()) {
    OCELLI_ASSIGN(out, Checkpoint::open(path_));
  } else {
    const EmbeddedFile* file = embedded_file("model.safetensors");
    if (!file) return fail(Code::kBadInput, "model.safetensors is not part of this build", name_);
    OCELLI_ASSIGN(out, Checkpoint::from_memory(file->bytes).in(name_));
  }
  OCELLI_ASSIGN(const auto text, this->text("config.json", kMaxConfigBytes));
  if (!text || text->find(kQuantizationKey) == text->npos) return out;
  OCELLI_ASSIGN(const base::Json config,
                base::Json::parse(*text, {.max_bytes = kMaxConfigBytes}).in("config.json"));
  OCELLI_ASSIGN(const EncodedTensors encoded, read_quantization_config(config).in("config.json"));
  OCELLI_TRY(out.take_encoded(encoded).in(path_.empty() ? name_ : path_));
  return out;
}

}  // namespace ocelli::formats
