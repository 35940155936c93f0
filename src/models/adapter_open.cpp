// Reading a PEFT folder.
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "base/advice.h"
#include "base/file.h"
#include "encoding/strips.h"
#include "formats/safetensors.h"
#include "models/adapter_state.h"
#include "models/config.h"

namespace ocelli::models {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;
using formats::SafetensorsFile;
using formats::shape_text;
using formats::TensorInfo;

namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFolderEntries = 1000;  // looked at for a named adapter's folder
constexpr size_t kListed = 64;              // keys in an error

bool is_file(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

// The folder itself, or the only one in it that holds an adapter with a name of its own.
Result<std::string> find_folder(const std::string& path) {
  std::error_code error;
  if (is_file(path + "/" + kAdapterConfigFile)) return path;
  if (!fs::exists(path, error))
    return fail(Code::kBadInput,
                "there is no such folder; name one with an " + std::string(kAdapterConfigFile),
                path);
  if (!fs::is_directory(path, error))
    return fail(Code::kBadInput,
                "is a file; an adapter is a folder with " + std::string(kAdapterConfigFile) +
                    " and " + kAdapterWeightsFile,
                path);
  if (is_file(path + "/config.json"))
    return fail(Code::kBadInput, "is a model, not an adapter; name it with -m", path);
  std::vector<std::string> found;
  size_t seen = 0;
  for (fs::directory_iterator it(path, error), end; !error && it != end && seen < kMaxFolderEntries;
       it.increment(error), ++seen) {
    if (is_file(it->path().string() + "/" + kAdapterConfigFile))
      found.push_back(it->path().string());
  }
  if (found.size() == 1) return found[0];
  if (found.size() > 1) {
    std::sort(found.begin(), found.end());
    return fail(Code::kUsage,
                "holds several adapters; name one of them, " + base::printable(found[0], 200),
                path);
  }
  return fail(
      Code::kBadInput,
      "has no " + std::string(kAdapterConfigFile) + "; an adapter is a folder as PEFT writes it",
      path);
}

}  // namespace

// Puts a file's tensors into a State.
class AdapterReader {
 public:
  AdapterReader(Adapter::State& state, const AdapterMatcher& matcher, const SafetensorsFile& file,
                bool trainable)
      : state_(state),
        matcher_(matcher),
        file_(file),
        map_(*state.loaded.model),
        trainable_(trainable) {}

  Status read() {
    OCELLI_TRY(sort_keys());
    for (const auto& [index, parts] : modules_) OCELLI_TRY(read_module(index, parts));
    for (const auto& [index, tensor] : replaced_) OCELLI_TRY(read_replaced(index, *tensor));
    for (const auto& [index, tensor] : bases_) OCELLI_TRY(compare_base(index, *tensor));
    return check_complete();
  }

 private:
  struct Parts {
    const TensorInfo *a = nullptr, *b = nullptr, *magnitude = nullptr;
    std::string path;  // as the file has it
  };

  // Which key belongs to what; all that belong to nothing are one error.
  Status sort_keys() {
    std::vector<std::string> unknown;
    for (const TensorInfo& t : file_.tensors()) {
      OCELLI_ASSIGN(const bool known, place(t));
      if (!known) unknown.push_back(t.name);
    }
    if (file_.tensors().empty() || modules_.size() + replaced_.size() == 0) {
      if (unknown.empty()) return fail(Code::kBadInput, "holds no adapter; download it again");
    }
    if (unknown.empty()) return {};
    std::string list;
    for (size_t i = 0; i < std::min(kListed, unknown.size()); ++i)
      list += (i ? ", " : "") + base::printable(unknown[i], 200);
    if (unknown.size() > kListed)
      list += " and " + std::to_string(unknown.size() - kListed) + " more";
    return fail(Code::kBadInput, std::to_string(unknown.size()) + " of " +
                                     std::to_string(file_.tensors().size()) +
                                     " tensors match nothing in the model: " + list +
                                     "; the adapter was made for another base model");
  }

  Result<bool> place(const TensorInfo& t) {
    const std::optional<AdapterKey> key = parse_adapter_key(t.name);
    if (!key) return false;
    if (key->part == AdapterPart::kWhole || key->part == AdapterPart::kBase) {
      const int index = map_.parameter(key->path);
      if (index < 0) return false;
      const bool whole = key->part == AdapterPart::kWhole;
      if (whole && !matcher_.saves(key->path) &&
          !matcher_.saves(map_.parameters()[size_t(index)].name))
        return false;
      return put((whole ? replaced_ : bases_)[index], t);
    }
    const int index = map_.module(key->path);
    if (index < 0) return false;
    const bool of_embedding =
        key->part == AdapterPart::kEmbeddingA || key->part == AdapterPart::kEmbeddingB;
    if (key->part != AdapterPart::kMagnitude &&
        of_embedding != (map_.modules()[size_t(index)].embedding != nullptr))
      return false;
    Parts& parts = modules_[index];
    parts.path = key->path;
    switch (key->part) {
      case AdapterPart::kA:
      case AdapterPart::kEmbeddingA:
        return put(parts.a, t);
      case AdapterPart::kMagnitude:
        return put(parts.magnitude, t);
      default:
        return put(parts.b, t);
    }
  }

  Result<bool> put(const TensorInfo*& where, const TensorInfo& t) {
    if (where) {
      return fail(Code::kBadInput, "tensors " + base::printable(where->name, 200) + " and " +
                                       base::printable(t.name, 200) +
                                       " are the same in two spellings; remove one");
    }
    where = &t;
    return true;
  }

  static base::Error wrong_shape(const TensorInfo& t, std::span<const int64_t> expected,
                                 const std::string& why) {
    return fail(Code::kBadInput, "tensor " + base::printable(t.name, 200) + " has shape " +
                                     shape_text(t.shape) + " but " + why + " asks for " +
                                     shape_text(expected) +
                                     "; the adapter was made for another base model or its files "
                                     "do not belong together");
  }

  // Everything about a module is compared before anything is allocated.
  Status read_module(int index, const Parts& parts) {
    const ModuleRef& at = map_.modules()[size_t(index)];
    if (!parts.a || !parts.b || (state_.config.use_dora && !parts.magnitude)) {
      return fail(Code::kBadInput, "of " + at.name + " there is no " +
                                       (!parts.a   ? "lora_A"
                                        : !parts.b ? "lora_B"
                                                   : "lora_magnitude_vector") +
                                       "; the file is incomplete");
    }
    if (parts.magnitude && !state_.config.use_dora) {
      return fail(Code::kBadInput, "tensor " + base::printable(parts.magnitude->name, 200) +
                                       " is of DoRA but \"use_dora\" is not true; the files do "
                                       "not belong together");
    }
    // Patterns were written for the names of their time, or for ours.
    OCELLI_ASSIGN(int64_t rank, matcher_.rank_of(parts.path));
    OCELLI_ASSIGN(double alpha, matcher_.alpha_of(parts.path));
    if (rank == state_.config.r) {
      OCELLI_ASSIGN(rank, matcher_.rank_of(at.name));
    }
    if (alpha == state_.config.lora_alpha) {
      OCELLI_ASSIGN(alpha, matcher_.alpha_of(at.name));
    }
    const int64_t in = at.embedding ? at.out : at.in, out = at.embedding ? at.in : at.out;
    const int64_t a[] = {rank, in}, b[] = {out, rank}, m[] = {out};
    const std::string rank_text = "the model with rank " + std::to_string(rank) + " (\"r\")";
    OCELLI_TRY(check_shape(*parts.a, a, rank_text));
    OCELLI_TRY(check_shape(*parts.b, b, rank_text));
    if (parts.magnitude) OCELLI_TRY(check_shape(*parts.magnitude, m, "the model"));
    const size_t first = state_.tensors.size();
    OCELLI_TRY(state_.add_module(at, rank, alpha, uint32_t(index), trainable_));
    OCELLI_TRY(fill(*parts.a, state_.tensors[first]));
    OCELLI_TRY(fill(*parts.b, state_.tensors[first + 1]));
    if (parts.magnitude) OCELLI_TRY(fill(*parts.magnitude, state_.tensors[first + 2]));
    return {};
  }

  static Status check_shape(const TensorInfo& t, std::span<const int64_t> expected,
                            const std::string& why) {
    if (std::equal(t.shape.begin(), t.shape.end(), expected.begin(), expected.end())) return {};
    return wrong_shape(t, expected, why);
  }

  Status read_replaced(int index, const TensorInfo& t) {
    const ParameterRef& at = map_.parameters()[size_t(index)];
    const std::vector<int64_t> expected = file_shape(at);
    OCELLI_TRY(check_shape(t, expected, "the model"));
    OCELLI_TRY(state_.add_replaced(at, trainable_));
    return fill(t, state_.tensors.back());
  }

  // As the base model's file has it: a convolution has four dimensions.
  std::vector<int64_t> file_shape(const ParameterRef& at) const {
    const TensorInfo* base = state_.loaded.checkpoint.find(at.name);
    return base ? base->shape : at.shape;
  }

  Status fill(const TensorInfo& t, const AdapterTensor& to) {
    if (!t.encoding || !formats_weight(*t.encoding)) {
      return fail(Code::kBadInput, "tensor " + base::printable(t.name, 200) + " has dtype " +
                                       t.dtype + "; F32, F16 and BF16 are possible");
    }
    encoding::decode_row(*t.encoding, t.bytes.data(), 0, to.count, to.value);
    if (!std::all_of(to.value, to.value + to.count, [](float x) { return std::isfinite(x); })) {
      return fail(Code::kBadInput, "tensor " + base::printable(t.name, 200) +
                                       " holds numbers that are not finite; the file is damaged "
                                       "or its training diverged");
    }
    if (to.turned) {
      const int64_t rows = to.shape[0], cols = to.shape[1];
      const std::vector<float> as_read(to.value, to.value + to.count);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t k = 0; k < cols; ++k) to.value[r * cols + k] = as_read[size_t(k * rows + r)];
    }
    return {};
  }

  static bool formats_weight(encoding::Encoding e) {
    return e == encoding::Encoding::kF32 || e == encoding::Encoding::kF16 ||
           e == encoding::Encoding::kBF16;
  }

  // PEFT adds the embedding itself to a file that targets it. Up to rounding it must be the
  // model's.
  Status compare_base(int index, const TensorInfo& t) {
    const ParameterRef& at = map_.parameters()[size_t(index)];
    OCELLI_TRY(check_shape(t, file_shape(at), "the model"));
    if (!t.encoding || !formats_weight(*t.encoding) || !at.weight) return {};
    const nn::Weight& w = *at.weight;
    const int64_t stride = encoding::row_bytes(*t.encoding, w.cols);
    std::vector<float> theirs(size_t(w.cols)), ours(size_t(w.cols));
    constexpr float kRounding = 0x1p-7f;  // twice that of bfloat16
    for (int64_t r = 0; r < w.rows; ++r) {
      encoding::decode_row(*t.encoding, t.bytes.data() + r * stride, 0, w.cols, theirs.data());
      encoding::read_row(w, r, ours.data());
      for (size_t i = 0; i < ours.size(); ++i) {
        if (std::abs(theirs[i] - ours[i]) <= kRounding * std::abs(ours[i])) continue;
        if (encoding::block_cols(w.encoding) > 1) break;  // a quantized model tells nothing
        return fail(Code::kBadInput, "tensor " + base::printable(t.name, 200) +
                                         " is another embedding than the model's; the adapter "
                                         "was made for another base model");
      }
    }
    return {};
  }

  Status check_complete() {
    for (const std::string& name : state_.config.modules_to_save) {
      const bool there = std::any_of(replaced_.begin(), replaced_.end(), [&](const auto& r) {
        const std::string& path = map_.parameters()[size_t(r.first)].name;
        return path.find(name) != std::string::npos;
      });
      if (!there) {
        return fail(Code::kBadInput, "\"modules_to_save\" names " + base::printable(name, 100) +
                                         " but the file holds no such module; it is incomplete");
      }
    }
    size_t missing = 0;
    std::string example;
    for (size_t i = 0; i < map_.modules().size(); ++i) {
      const ModuleRef& at = map_.modules()[i];
      OCELLI_ASSIGN(const bool wanted,
                    matcher_.targets(at.name, {at.embedding != nullptr, at.head()}));
      if (!wanted || modules_.count(int(i))) continue;
      if (missing++ == 0) example = at.name;
    }
    if (missing > 0) {
      state_.warnings.push_back("\"target_modules\" also names " + std::to_string(missing) +
                                " modules that the adapter has no numbers for, like " + example);
    }
    return {};
  }

  Adapter::State& state_;
  const AdapterMatcher& matcher_;
  const SafetensorsFile& file_;
  ModelMap map_;
  bool trainable_;
  std::map<int, Parts> modules_;
  std::map<int, const TensorInfo*> replaced_, bases_;
};

namespace {

Status check_base(const SafetensorsFile& file, const LoadedModel& loaded) {
  if (loaded.checkpoint.format() != "safetensors") return {};
  // Of a quantized model: what it was made from.
  std::string source;
  for (const auto& [key, value] : loaded.checkpoint.metadata())
    if (key == "source_fingerprint") source = value;
  for (const auto& [key, value] : file.metadata()) {
    if (key != "base_fingerprint" || value == source) continue;
    if (value == loaded.checkpoint.fingerprint().hex()) continue;
    return fail(Code::kUsage,
                "the adapter was made for other weights of the base model than these; give it the "
                "model that it was trained on, or --force-adapter");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Adapter>> Adapter::parse(std::string_view config_text,
                                                const SafetensorsFile& file, LoadedModel& loaded,
                                                base::ThreadPool& pool,
                                                const OpenOptions& options) {
  const auto of_config = [](auto result) {
    return with_advice(std::move(result).in(kAdapterConfigFile), base::kFileAdvice);
  };
  OCELLI_ASSIGN(const Json json,
                of_config(Json::parse(config_text, {.max_bytes = kMaxConfigBytes})));
  OCELLI_ASSIGN(const AdapterConfig config, of_config(AdapterConfig::parse(json)));
  OCELLI_ASSIGN(const AdapterMatcher matcher, of_config(AdapterMatcher::create(config)));
  if (!options.force) OCELLI_TRY(check_base(file, loaded).in(kAdapterWeightsFile));
  auto state = std::make_unique<State>(config, loaded);
  OCELLI_TRY(
      AdapterReader(*state, matcher, file, options.trainable).read().in(kAdapterWeightsFile));
  state->refresh(pool);
  return std::unique_ptr<Adapter>(new Adapter(std::move(state)));
}

Result<std::unique_ptr<Adapter>> Adapter::open(const std::string& path, LoadedModel& loaded,
                                               base::ThreadPool& pool, const OpenOptions& options) {
  OCELLI_ASSIGN(const std::string folder, find_folder(path));
  OCELLI_ASSIGN(const std::string text,
                base::read_file(folder + "/" + kAdapterConfigFile, kMaxConfigBytes));
  const std::string weights_path = folder + "/" + kAdapterWeightsFile;
  if (!is_file(weights_path) && is_file(folder + "/adapter_model.bin")) {
    return fail(Code::kBadInput,
                "holds pickled weights, which can run code when they are read; save it with "
                "PEFT's safe_serialization=True",
                folder + "/adapter_model.bin");
  }
  OCELLI_ASSIGN(const SafetensorsFile file, SafetensorsFile::open(weights_path));
  OCELLI_ASSIGN(std::unique_ptr<Adapter> adapter,
                std::move(parse(text, file, loaded, pool, options)).in(folder));
  adapter->state_->folder = folder;
  return adapter;
}

}  // namespace ocelli::models
