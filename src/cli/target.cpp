#include "cli/target.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "base/folders.h"
#include "base/nearest.h"
#include "cli/inputs.h"
#include "cli/store.h"
#include "engine/builtin.h"
#include "formats/pickled.h"

namespace ocelli::cli {

namespace fs = std::filesystem;
using base::Code;
using base::Result;

namespace {

bool is_model_folder(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(fs::path(path) / "config.json", ignored);
}

bool is_gguf_file(const std::string& path) {
  std::error_code ignored;
  return formats::is_gguf_name(path) && fs::exists(path, ignored) &&
         !fs::is_directory(path, ignored);
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// A last word like "phto.jpg" or "./photo" is a file that is not there, not a question.
bool looks_like_file(const std::string& word) {
  if (word.find_first_of(" \t\n?") != std::string::npos) return false;
  if (word.starts_with("/") || word.starts_with("./") || word.starts_with("../") ||
      word.starts_with("~/"))
    return true;
  std::string ending = fs::path(word).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return char(std::tolower(c)); });
  constexpr std::string_view kEndings[] = {".jpg", ".jpeg", ".png",  ".webp", ".gif",        ".bmp",
                                           ".tif", ".tiff", ".heic", ".heif", ".avif",       ".pdf",
                                           ".mp4", ".webm", ".avi",  ".m4v",  ".flv",        ".mov",
                                           ".mkv", ".wav",  ".mp3",  ".gguf", ".safetensors"};
  return std::find(std::begin(kEndings), std::end(kEndings), ending) != std::end(kEndings);
}

// "owner/name" that may be one of the Hub; a path with a file's ending is none.
bool may_be_on_hub(const std::string& word) {
  const auto reference = hub::parse_reference(word);
  return reference.ok() && reference->repo.find('/') != std::string::npos && !looks_like_file(word);
}

// What to do about a word that names nothing.
Result<std::string> nearest_hint(const std::string& word) {
  OCELLI_ASSIGN(const std::vector<StoredModel> models, stored_models());
  std::vector<std::string> names{engine::kBuiltinName};
  for (const StoredModel& m : models) names.push_back(m.name);
  OCELLI_ASSIGN(const std::vector<std::string> cached, names_in_cache());
  names.insert(names.end(), cached.begin(), cached.end());
  std::error_code ignored;
  const fs::path folder =
      fs::path(word).has_parent_path() ? fs::path(word).parent_path() : fs::path(".");
  for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end;
       it.increment(ignored)) {
    const bool here = !fs::path(word).has_parent_path();
    names.push_back(here ? it->path().filename().string() : it->path().string());
  }
  const std::string near = base::nearest(word, names);
  if (!near.empty()) return "; the nearest name is " + near;
  if (may_be_on_hub(word)) return "; ocelli pull " + word + " downloads it from the Hub";
  return std::string(
      "; ocelli list shows the models that are here, a folder can be given by its path");
}

}  // namespace

Result<std::string> store_dir() {
  OCELLI_ASSIGN(const std::string data, base::data_dir());
  return base::join_path(data, "models");
}

Result<std::vector<StoredModel>> stored_models() {
  OCELLI_ASSIGN(const std::string store, store_dir());
  std::vector<StoredModel> out;
  std::error_code ignored;
  const auto add = [&](const fs::path& folder, const std::string& name) {
    if (is_model_folder(folder.string())) out.push_back({name, folder.string()});
  };
  // NAME, or OWNER/NAME as on the Hub.
  for (fs::directory_iterator it(store, ignored), end; !ignored && it != end;
       it.increment(ignored)) {
    add(it->path(), it->path().filename().string());
    std::error_code inner;
    for (fs::directory_iterator below(it->path(), inner), stop; !inner && below != stop;
         below.increment(inner)) {
      add(below->path(), it->path().filename().string() + "/" + below->path().filename().string());
    }
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

bool is_model(const std::string& word) {
  if (word == engine::kBuiltinName || is_model_folder(word) || is_gguf_file(word)) return true;
  const auto models = stored_models();
  if (models.ok() && std::any_of(models->begin(), models->end(),
                                 [&](const StoredModel& m) { return m.name == word; }))
    return true;
  if (exists(word)) return false;
  const auto cached = find_in_cache(word);
  return !cached.ok() || cached->has_value();  // one that is not whole is no question either
}

Result<std::string> resolve_model(const std::string& name) {
  if (name.empty() || name == engine::kBuiltinName) return std::string();
  if (is_model_folder(name) || is_gguf_file(name)) return name;
  OCELLI_ASSIGN(const std::vector<StoredModel> models, stored_models());
  for (const StoredModel& m : models) {
    if (m.name == name) return m.path;
  }
  if (!exists(name)) {
    OCELLI_ASSIGN(const std::optional<std::string> cached, find_in_cache(name));
    if (cached) return *cached;
  }
  std::error_code ignored;
  if (fs::is_directory(name, ignored)) {
    return base::fail(Code::kBadInput,
                      "config.json is missing; a model folder has config.json, tokenizer.json and "
                      "model.safetensors",
                      name);
  }
  if (exists(name) && formats::is_pickle_name(name)) return formats::pickled(name);
  if (exists(name)) {
    return base::fail(Code::kBadInput,
                      "is not a model; give a folder in Hugging Face layout (config.json, "
                      "tokenizer.json, model.safetensors) or a .gguf file",
                      name);
  }
  OCELLI_ASSIGN(const std::string hint, nearest_hint(name));
  return base::fail(Code::kUsage,
                    "no model of this name is in the store, and no such folder exists" + hint,
                    name);
}

Result<Target> resolve_target(const std::vector<std::string>& words, const std::string& model,
                              const std::optional<std::string>& question) {
  Target out;
  out.question = question;
  size_t first = 0, last = words.size();
  if (!model.empty()) {
    OCELLI_ASSIGN(out.model, resolve_model(model));
  } else if (!words.empty() && is_model(words[0])) {
    OCELLI_ASSIGN(out.model, resolve_model(words[0]));
    first = 1;
  }
  for (size_t i = first; i < last; ++i) {
    if (is_inline_input(words[i]) || exists(words[i])) {
      out.files.push_back(words[i]);
    } else if (i + 1 == last && !question && !looks_like_file(words[i])) {
      out.question = words[i];
    } else {
      OCELLI_ASSIGN(const std::string hint, nearest_hint(words[i]));
      return base::fail(
          Code::kUsage,
          (i == first && model.empty() ? "neither a model nor an existing file" : "no such file") +
              hint,
          words[i]);
    }
  }
  return out;
}

Result<formats::ModelFolder> open_model(const std::string& path, const std::string& projector) {
  if (!path.empty()) return formats::ModelFolder::open(path, projector);
  if (projector.empty()) return engine::builtin_model();
  return base::fail(Code::kUsage, "the built-in model has its own vision tower; give a .gguf model",
                    "--mmproj");
}

}  // namespace ocelli::cli
