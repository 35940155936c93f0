#include "cli/weights_cache.h"

#include <sys/stat.h>
#include <unistd.h>

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
    for (const int64_t number :
         {int64_t(about.st_dev), int64_t(about.st_ino), int64_t(about.st_size),
          int64_t(about.st_mtim.tv_sec), int64_t(about.st_mtim.tv_nsec)})
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

bool has_few_bits(const formats::ModelFolder& source) {
  const auto config = source.text("config.json", models::kMaxConfigBytes);
  return !config.ok() || !*config ||
         (*config)->find(formats::kQuantizationKey) != std::string::npos;
}

// Whether a folder of the cache can be used: everything that is checked when it is opened is right.
bool is_good(const std::string& folder) {
  std::error_code ignored;
  if (!fs::exists(folder + "/config.json", ignored)) return false;
  const auto opened = formats::ModelFolder::open(folder);
  return opened.ok() && opened->weights().ok();
}

bool convert(const formats::ModelFolder& source, Encoding encoding, const std::string& folder,
             int threads, base::Progress& progress) {
  const auto recipe =
      quantize::Recipe::parse(encoding::name(encoding), {}, quantize::Format::kSafetensors);
  quantize::QuantizeOptions options;
  options.certificate = false;
  options.engine.threads = threads;
  options.progress = &progress;
  return recipe.ok() && quantize::quantize(source, *recipe, folder, options).ok();
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
  const base::CacheFolder cache = weights_cache_folder(root);
  if (!cache.prepare().ok()) return std::nullopt;
  const std::string entry = cache.path_of(*key), folder = entry + "/" + place_of(source.name());
  auto hold = cache.hold(*key);
  bool fresh = false;
  if (!is_good(folder)) {
    std::error_code ignored;
    fs::remove_all(folder, ignored);  // damaged
    fresh = convert(source, encoding, folder, threads, progress);
    // Otherwise another process may have put it there meanwhile.
    if (!fresh && !is_good(folder)) {
      rmdir(entry.c_str());  // if it is empty
      return std::nullopt;
    }
    if (auto listed = cache.list(); listed.ok()) cache.shrink(std::move(*listed), max_bytes);
  }
  cache.touch(*key);
  auto opened = formats::ModelFolder::open(folder);
  if (!opened.ok()) return std::nullopt;
  return ConvertedModel{std::move(*opened), fresh, std::move(hold)};
}

base::Result<std::string> weights_cache_path() {
  OCELLI_ASSIGN(const std::string cache, base::cache_dir());
  return base::join_path(cache, "weights");
}

base::CacheFolder weights_cache_folder(std::string path) {
  return {std::move(path), base::CacheFolder::Kind::kFolders};
}

std::optional<ConvertedModel> converted_model(const formats::ModelFolder& source, Encoding encoding,
                                              int threads, base::Progress& progress) {
  const auto path = weights_cache_path();
  if (!path.ok()) return std::nullopt;
  return converted_model_in(*path, kWeightsCacheBytes, source, encoding, threads, progress);
}

}  // namespace ocelli::cli
