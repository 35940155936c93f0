#include "formats/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <numeric>
#include <set>

#include "base/advice.h"
#include "formats/pickled.h"

namespace ocelli::formats {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;

namespace {

namespace fs = std::filesystem;

constexpr char kSingle[] = "model.safetensors";
constexpr char kIndex[] = "model.safetensors.index.json";

bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// A shard is a file of the folder itself, whatever the index says.
bool is_plain_name(std::string_view name) {
  constexpr size_t kLongest = 255;
  const auto harmless = [](unsigned char c) {
    return c > 0x20 && c < 0x7f && c != '/' && c != '\\';
  };
  return name.size() <= kLongest && name.ends_with(".safetensors") && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), harmless);
}

// Why a folder has no weights for us: says what it has instead.
base::Error no_weights(const std::string& folder) {
  std::error_code error;
  std::string pickle, gguf;
  size_t seen = 0;
  constexpr size_t kMostLooked = 10'000;  // a folder may be anything
  for (fs::directory_iterator it(folder, error), end; !error && it != end && seen < kMostLooked;
       it.increment(error), ++seen) {
    const std::string name = it->path().filename().string(), kind = it->path().extension().string();
    if (is_pickle_name(name)) pickle = name;
    if (kind == ".gguf") gguf = name;
  }
  if (!pickle.empty()) return pickled(folder, pickle);
  if (!gguf.empty()) {
    return fail(Code::kBadInput,
                "the folder holds " + base::printable(gguf, 60) +
                    " and no model.safetensors; give the .gguf file itself",
                folder);
  }
  return fail(Code::kBadInput,
              "model.safetensors is missing; a model folder has config.json, "
              "tokenizer.json and model.safetensors",
              folder);
}

// The shards that the index names, each with the tensors it should hold.
Result<std::map<std::string, std::vector<std::string>>> read_index(const std::string& path) {
  OCELLI_ASSIGN(const std::string text, base::read_file(path, kMaxIndexBytes));
  auto parsed = Json::parse(
      text, {.max_bytes = kMaxIndexBytes, .max_depth = 16, .max_values = kMaxHeaderValues});
  OCELLI_ASSIGN(const Json index, with_advice(std::move(parsed).in(path), base::kFileAdvice));
  const Json* map = index.find("weight_map");
  if (!map || !map->is_object() || map->size() == 0) {
    return fail(Code::kBadInput, "weight_map is missing; it says which file holds which tensor",
                path);
  }
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [tensor, file] : map->members()) {
    if (!file.is_string() || !is_plain_name(file.as_string())) {
      return fail(Code::kBadInput,
                  "tensor " + base::printable(tensor, 100) + " lies in " +
                      base::printable(file.dump(), 100) +
                      "; a shard is the name of a .safetensors file of the same folder",
                  path);
    }
    shards[file.as_string()].push_back(tensor);
    if (shards.size() > kMaxShards) {
      return fail(Code::kBadInput,
                  "too many shards (limit " + std::to_string(kMaxShards) +
                      "); merge them where they come from",
                  path);
    }
  }
  return shards;
}

}  // namespace

Result<Checkpoint> Checkpoint::open(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return fail(Code::kBadInput, "is not a folder; give the folder that holds config.json", folder);
  }
  if (!exists(folder + "/" + kSingle)) {
    if (exists(folder + "/" + kIndex)) return open_shards(folder);
    return no_weights(folder);
  }
  Checkpoint checkpoint;
  OCELLI_ASSIGN(SafetensorsFile file, SafetensorsFile::open(folder + "/" + kSingle));
  checkpoint.tensors_ = file.tensors();
  checkpoint.files_.push_back(std::move(file));
  checkpoint.finish();
  return checkpoint;
}

Result<Checkpoint> Checkpoint::open_shards(const std::string& folder) {
  const std::string index = folder + "/" + kIndex;
  OCELLI_ASSIGN(const auto shards, read_index(index));
  Checkpoint checkpoint;
  for (const auto& [name, tensors] : shards) {
    const std::string path = folder + "/" + name;
    if (!exists(path)) {
      return fail(Code::kBadInput,
                  "shard " + name + " is missing; download it again into the folder", folder);
    }
    OCELLI_ASSIGN(SafetensorsFile file, SafetensorsFile::open(path));
    for (const std::string& tensor : tensors) {
      if (!file.find(tensor)) {
        return fail(Code::kBadInput,
                    "tensor " + base::printable(tensor) + " is not in " + name + " as " + kIndex +
                        " says; the two are of different downloads",
                    folder);
      }
    }
    // What a shard holds beside that belongs to another shard or to nobody.
    const std::set<std::string_view> wanted(tensors.begin(), tensors.end());
    for (const TensorInfo& tensor : file.tensors()) {
      if (wanted.count(tensor.name)) checkpoint.tensors_.push_back(tensor);
    }
    checkpoint.files_.push_back(std::move(file));
  }
  checkpoint.finish();
  return checkpoint;
}

Result<Checkpoint> Checkpoint::from_memory(std::span<const std::byte> file) {
  Checkpoint checkpoint;
  OCELLI_ASSIGN(SafetensorsFile parsed, SafetensorsFile::parse(file));
  checkpoint.tensors_ = parsed.tensors();
  checkpoint.files_.push_back(std::move(parsed));
  checkpoint.finish();
  return checkpoint;
}

Result<Checkpoint> Checkpoint::of(Foreign foreign) {
  Checkpoint checkpoint;
  checkpoint.tensors_ = std::move(foreign.tensors);
  checkpoint.foreign_ = std::move(foreign);
  checkpoint.finish();
  for (size_t i = 1; i < checkpoint.by_name_.size(); ++i) {
    const std::string& name = checkpoint.tensors_[checkpoint.by_name_[i]].name;
    if (name == checkpoint.tensors_[checkpoint.by_name_[i - 1]].name) {
      return fail(Code::kBadInput, "duplicate tensor: two are called " + base::printable(name));
    }
  }
  return checkpoint;
}

Status Checkpoint::take_encoded(const EncodedTensors& encoded) {
  for (const auto& [name, e] : encoded) {
    const TensorInfo* found = find(name);
    if (!found) {
      return fail(Code::kBadInput, "there is no tensor " + base::printable(name, 100) +
                                       " as quantization_config says; the download is incomplete "
                                       "or config.json is of another model");
    }
    const std::vector<int64_t> stored = e.stored_shape();
    if (found->dtype != "U8" || found->shape != stored) {
      return fail(Code::kBadInput,
                  "is " + found->dtype + " " + shape_text(found->shape) + " but " +
                      shape_text(e.shape) + " as " + std::string(encoding::name(e.encoding)) +
                      " is U8 " + shape_text(stored) + "; config.json is of another model",
                  base::printable(name, 100));
    }
  }
  for (const auto& [name, e] : encoded) {
    TensorInfo& t = tensors_[size_t(find(name) - tensors_.data())];
    t.encoding = e.encoding;
    t.shape = e.shape;
    t.layout = e.layout;
    t.dtype = encoding::name(e.encoding);
    for (char& c : t.dtype) c = c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c;
  }
  return {};
}

void Checkpoint::release(std::span<const std::byte> bytes) const {
  const auto try_release = [&](const base::MappedFile& file) {
    const std::span<const std::byte> all = file.bytes();
    if (all.empty() || bytes.data() < all.data() || bytes.data() >= all.data() + all.size()) return;
    file.release(size_t(bytes.data() - all.data()), bytes.size());
  };
  for (const SafetensorsFile& file : files_) try_release(file.mapping());
  for (const base::MappedFile* file : foreign_.mappings) try_release(*file);
}

void Checkpoint::finish() {
  by_name_.resize(tensors_.size());
  std::iota(by_name_.begin(), by_name_.end(), 0u);
  std::sort(by_name_.begin(), by_name_.end(),
            [&](uint32_t a, uint32_t b) { return tensors_[a].name < tensors_[b].name; });
  for (const TensorInfo& tensor : tensors_) total_bytes_ += int64_t(tensor.bytes.size());
}

const TensorInfo* Checkpoint::find(std::string_view name) const {
  const auto less = [&](uint32_t i, std::string_view n) { return tensors_[i].name < n; };
  const auto at = std::lower_bound(by_name_.begin(), by_name_.end(), name, less);
  if (at == by_name_.end() || tensors_[*at].name != name) return nullptr;
  return &tensors_[*at];
}

std::string Checkpoint::nearest(std::string_view name) const {
  const auto at = nearest_name(tensors_, name);
  return at ? base::printable(tensors_[*at].name) : std::string();
}

base::Digest256 Checkpoint::fingerprint() const {
  constexpr size_t kPieces = 16, kPiece = 4096;
  base::Sha256 hash;
  hash.update_u64(tensors_.size());
  for (const TensorInfo& tensor : tensors_) {
    for (const std::string& text : {tensor.name, tensor.dtype, shape_text(tensor.shape)}) {
      hash.update_u64(text.size());
      hash.update(text);
    }
    if (tensor.bytes.size() <= kPieces * kPiece) {
      hash.update(tensor.bytes);
      continue;
    }
    for (size_t i = 0; i < kPieces; ++i) {  // the first 4 KiB to the last, evenly
      const size_t at = (tensor.bytes.size() - kPiece) * i / (kPieces - 1);
      hash.update(tensor.bytes.subspan(at, kPiece));
    }
    // A look at one page maps its neighbours too: half of a model would count as memory in use.
    release(tensor.bytes);
  }
  return hash.finish();
}

}  // namespace ocelli::formats
