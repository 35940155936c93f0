#include "cli/weights_cache.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/folders.h"
#include "base/hash.h"
#include "formats/quantization_config.h"
#include "models/config.h"
#include "quantize/quantize.h"

namespace ocelli::cli {
namespace {

namespace fs = std::filesystem;

using encoding::Encoding;

constexpr uint64_t kVersion = 2;  // of what lies in the cache
constexpr size_t kMostFiles = 10'000;

// Of the files of a folder as they are now: another content has another time, size or number.
std::optional<std::string> identity(const std::string& folder, Encoding encoding) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
    if (names.size() > kMostFiles) return std::nullopt;
  }
  if (error || names.empty()) return std::nullopt;
  std::sort(names.begin(), names.end());
  base::Sha256 hash;
  hash.update_u64(kVersion);
  hash.update(encoding::name(encoding));
  for (const std::string& name : names) {
    struct stat about;  // through links, as the Hub's cache has them
    if (stat((folder + "/" + name).c_str(), &about) != 0) return std::nullopt;
    if (!S_ISREG(about.st_mode)) continue;
    hash.update_u64(name.size());
    hash.update(name);
    for (const int64_t number : {int64_t(about.st_dev), int64_t(about.st_ino),
                                 int64_t(about.st_size), int64_t(about.st_mtim.tv_sec),
                                 int64_t(about.st_mtim.tv_nsec)})
      hash.update_u64(uint64_t(number));
  }
  return hash.finish().hex();
}

// So that the folder gives the model the name that it has: "name", or "owner/name" as the Hub's
// cache spells it.
std::string place_of(const std::string& name) {
  const size_t slash = name.find('/');
  if (slash == name.npos) return name;
  return "models--" + name.substr(0, slash) + "--" + name.substr(slash + 1) + "/snapshots/local";
}

int64_t bytes_of(const fs::path& folder) {
  int64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored)) bytes += int64_t(it->file_size(ignored));
  }
  return bytes;
}

// Removes what was used longest ago until `max_bytes` hold; `keep` stays.
void evict(const std::string& root, int64_t max_bytes, const std::string& keep) {
  struct Entry {
    fs::path path;
    fs::file_time_type used;
    int64_t bytes;
  };
  std::vector<Entry> entries;
  int64_t all = 0;
  std::error_code error;
  for (fs::directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    entries.push_back({it->path(), fs::last_write_time(it->path(), ignored), bytes_of(it->path())});
    all += entries.back().bytes;
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& e : entries) {
    if (all <= max_bytes) return;
    if (e.path.filename() == keep) continue;
    std::error_code ignored;
    fs::remove_all(e.path, ignored);  // who has it mapped keeps it until he closes it
    all -= e.bytes;
  }
}

bool has_few_bits(const formats::ModelFolder& source) {
  const auto config = source.text("config.json", models::kMaxConfigBytes);
  return !config.ok() || !*config ||
         (*config)->find(formats::kQuantizationKey) != std::string::npos;
}

}  // namespace

std::optional<ConvertedModel> converted_model_in(const std::string& root, int64_t max_bytes,
                                                 const formats::ModelFolder& source,
                                                 Encoding encoding, int threads,
                                                 base::Progress& progress) {
  const bool simple = encoding == Encoding::kQ8 || encoding == Encoding::kQ4;
  if (!simple || source.is_gguf() || source.path().empty() || has_few_bits(source))
    return std::nullopt;
  const auto key = identity(source.path(), encoding);
  if (!key) return std::nullopt;
  const std::string entry = root + "/" + *key, folder = entry + "/" + place_of(source.name());
  std::error_code ignored;
  const bool fresh = !fs::exists(folder + "/config.json", ignored);
  if (fresh) {
    if (!base::make_folders(root).ok()) return std::nullopt;
    const auto recipe = quantize::Recipe::parse(encoding::name(encoding), {},
                                                quantize::Format::kSafetensors);
    quantize::QuantizeOptions options;
    options.certificate = false;
    options.replace = true;
    options.engine.threads = threads;
    options.progress = &progress;
    if (!recipe.ok() || !quantize::quantize(source, *recipe, folder, options).ok())
      return std::nullopt;
    evict(root, max_bytes, *key);
  }
  fs::last_write_time(entry, fs::file_time_type::clock::now(), ignored);
  auto out = formats::ModelFolder::open(folder);
  if (!out.ok()) return std::nullopt;
  return ConvertedModel{std::move(*out), fresh};
}

std::optional<ConvertedModel> converted_model(const formats::ModelFolder& source,
                                              Encoding encoding, int threads,
                                              base::Progress& progress) {
  const auto cache = base::cache_dir();
  if (!cache.ok()) return std::nullopt;
  return converted_model_in(*cache + "/weights", kWeightsCacheBytes, source, encoding, threads,
                            progress);
}

}  // namespace ocelli::cli
