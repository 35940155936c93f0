#include "models/save.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <set>

#include "base/atomic_folder.h"
#include "base/file.h"
#include "formats/quantization_config.h"
#include "formats/safetensors_writer.h"
#include "models/adapter_modules.h"
#include "models/config.h"

namespace ocelli::models {

using base::Code;
using base::fail;
using base::Json;
using base::Result;
using base::Status;
using encoding::Encoding;
using formats::TensorInfo;
using formats::TensorSpec;

namespace {

constexpr unsigned kMode = 0644;
constexpr int64_t kPieceBytes = int64_t{8} << 20;  // written at a time
constexpr size_t kMaxCopiedFile = size_t{256} << 20;

// What a model's folder has besides weights.
constexpr const char* kFiles[] = {"generation_config.json",
                                  "tokenizer.json",
                                  "tokenizer_config.json",
                                  "tokenizer.model",
                                  "special_tokens_map.json",
                                  "added_tokens.json",
                                  "vocab.json",
                                  "merges.txt",
                                  "chat_template.jinja",
                                  "chat_template.json",
                                  "preprocessor_config.json",
                                  "processor_config.json",
                                  "video_preprocessor_config.json",
                                  "LICENSE",
                                  "NOTICE"};

bool is_plain(Encoding e) {
  return e == Encoding::kF32 || e == Encoding::kF16 || e == Encoding::kBF16;
}

// Where the numbers of one stored tensor come from.
struct Source {
  TensorSpec spec;
  const ParameterRef* parameter = nullptr;  // of the model, or
  const TensorInfo* tensor = nullptr;       // of the file, byte for byte, or
  bool head = false;                        // SaveOptions::untied_head
  int64_t rows = 1, cols = 0;
  RowEdit edit;  // perhaps none
};

class Saver {
 public:
  Saver(LoadedModel& loaded, base::ThreadPool& pool, const SaveOptions& options)
      : loaded_(loaded), pool_(pool), options_(options), map_(*loaded.model) {}

  Status write_weights(const base::AtomicFolder& out) {
    OCELLI_TRY(plan());
    for (const auto& file : files_)
      for (const Source& s : file) total_ += s.rows * s.cols;
    Json index = Json::object();
    for (size_t i = 0; i < files_.size(); ++i) {
      const std::string name = file_name(i);
      for (const Source& s : files_[i]) index.set(s.spec.name, name);
      OCELLI_TRY(write_file(out.file(name), files_[i]));
    }
    if (files_.size() == 1) return {};
    const Json json = Json::object(
        {{"metadata", Json::object({{"total_size", bytes_}})}, {"weight_map", std::move(index)}});
    return base::write_file_atomically(out.file("model.safetensors.index.json"),
                                       json.dump(2) + "\n", kMode);
  }

  bool writes_head() const { return wrote_head_; }

 private:
  std::string file_name(size_t i) const {
    if (files_.size() == 1) return "model.safetensors";
    char text[64];
    std::snprintf(text, sizeof text, "model-%05zu-of-%05zu.safetensors", i + 1, files_.size());
    return text;
  }

  // The files and their tensors, in the order in which they were read; what the model has besides
  // (of a GGUF file, whose names are others) comes at the end.
  Status plan() {
    const ParameterRef* head = nullptr;
    for (const ParameterRef& p : map_.parameters()) {
      if (p.tied_head) head = &p;
      known_[p.name] = &p;
    }
    const size_t shards = std::max<size_t>(1, loaded_.checkpoint.files().size());
    files_.resize(shards);
    if (loaded_.checkpoint.files().empty()) {
      for (const TensorInfo& t : loaded_.checkpoint.tensors()) place(t, files_[0], head);
    }
    for (size_t i = 0; i < loaded_.checkpoint.files().size(); ++i) {
      for (const TensorInfo& stored : loaded_.checkpoint.files()[i].tensors()) {
        const TensorInfo* t = loaded_.checkpoint.find(stored.name);  // encoded ones have a shape
        place(t ? *t : stored, files_[i], head);
      }
    }
    for (const ParameterRef& p : map_.parameters()) {
      if (placed_.count(p.name) || (p.tied_head && !options_.untied_head)) continue;
      files_.back().push_back(of_parameter(p, nullptr));
    }
    return {};
  }

  void place(const TensorInfo& t, std::vector<Source>& file, const ParameterRef* head) {
    const auto known = known_.find(t.name);
    placed_.insert(t.name);
    if (known != known_.end() && !(known->second == head && !options_.untied_head)) {
      file.push_back(of_parameter(*known->second, &t));
      return;
    }
    Source s;
    s.tensor = &t;
    s.spec = {t.name, Encoding::kF32, t.shape, t.dtype, t.bytes.size()};
    s.cols = int64_t(t.bytes.size());
    file.push_back(std::move(s));
  }

  Source of_parameter(const ParameterRef& p, const TensorInfo* t) {
    Source s;
    s.parameter = &p;
    s.head = p.tied_head;
    if (p.tied_head) wrote_head_ = true;
    s.rows = p.weight ? p.shape[0] : 1;
    s.cols = p.count() / std::max<int64_t>(1, s.rows);
    s.spec = {p.name, stored_as(p, t), t ? t->shape : p.shape};
    if (s.head) {
      s.edit = options_.untied_head;
    } else if (const auto edit = options_.edits.find(p.name); edit != options_.edits.end()) {
      s.edit = edit->second;
    }
    return s;
  }

  Encoding stored_as(const ParameterRef& p, const TensorInfo* t) const {
    if (options_.dtype) return *options_.dtype;
    if (t && t->encoding && is_plain(*t->encoding)) return *t->encoding;
    if (p.tied_head && is_plain(p.tied_to->w.encoding)) return p.tied_to->w.encoding;
    if (p.weight && is_plain(p.weight->encoding) && p.weight->data) return p.weight->encoding;
    return p.weight ? Encoding::kBF16 : Encoding::kF32;
  }

  Status write_file(const std::string& path, const std::vector<Source>& sources) {
    std::vector<TensorSpec> specs;
    for (const Source& s : sources) specs.push_back(s.spec);
    OCELLI_ASSIGN(auto writer,
                  formats::SafetensorsWriter::create(path, specs, {{"format", "pt"}}, kMode));
    for (const Source& s : sources) {
      OCELLI_TRY(write_tensor(writer, s));
      done_ += s.rows * s.cols;
      if (options_.progress) {
        options_.progress->update(double(done_) / double(std::max<int64_t>(1, total_)),
                                  "writing weights");
      }
    }
    bytes_ += int64_t(writer.data_bytes());
    return writer.commit();
  }

  Status write_tensor(formats::SafetensorsWriter& writer, const Source& s) {
    if (s.tensor) return writer.write(s.tensor->bytes);
    const nn::Weight* w = s.parameter->weight;
    const Encoding to = s.spec.encoding;
    if (w && !s.edit && w->encoding == to)
      return writer.write({w->data, size_t(encoding::bytes(*w))});
    const int64_t row_bytes = encoding::row_bytes(to, s.cols);
    const int64_t together = std::max<int64_t>(1, kPieceBytes / std::max<int64_t>(1, row_bytes));
    std::vector<std::byte> piece(size_t(std::min(together, s.rows) * row_bytes));
    for (int64_t first = 0; first < s.rows; first += together) {
      const int64_t rows = std::min(together, s.rows - first);
      if (!encode(s, first, rows, piece.data())) {
        return fail(Code::kBadInput, "parameter " + s.spec.name + " becomes numbers that " +
                                         std::string(encoding::name(to)) +
                                         " cannot store; write f32 (--dtype f32)");
      }
      OCELLI_TRY(writer.write({piece.data(), size_t(rows * row_bytes)}));
    }
    return {};
  }

  // Rows [first, first + rows) as they are stored; false where a number does not survive.
  bool encode(const Source& s, int64_t first, int64_t rows, std::byte* out) {
    const Encoding to = s.spec.encoding;
    const int64_t stride = encoding::row_bytes(to, s.cols);
    const float most = to == Encoding::kF16    ? 65504.0f
                       : to == Encoding::kBF16 ? 0x1.FEp127f
                                               : 3e38f;
    std::atomic<bool> good = true;
    pool_.parallel_for(
        rows,
        [&](int64_t begin, int64_t end) {
          std::vector<float> row(static_cast<size_t>(s.cols));
          for (int64_t r = begin; r < end; ++r) {
            read(s, first + r, row);
            int beyond = 0;
            for (const float x : row) beyond |= !(std::abs(x) <= most);
            if (beyond) good = false;
            encoding::encode_row(to, row.data(), s.cols, out + r * stride);
          }
        },
        16);
    return good;
  }

  static void read(const Source& s, int64_t r, std::span<float> row) {
    const nn::Weight* w = s.parameter->weight;
    if (w && w->data) {
      encoding::decode_row(w->encoding, w->row(r), 0, w->cols, row.data());
    } else if (!w) {
      std::copy_n(s.parameter->vector->f32(), row.size(), row.data());
    }
    if (s.edit) s.edit(r, row);
  }

  LoadedModel& loaded_;
  base::ThreadPool& pool_;
  const SaveOptions& options_;
  ModelMap map_;
  std::map<std::string, const ParameterRef*> known_;
  std::set<std::string> placed_;
  std::vector<std::vector<Source>> files_;
  bool wrote_head_ = false;
  int64_t total_ = 0, done_ = 0, bytes_ = 0;
};

const char* torch_name(Encoding e) {
  return e == Encoding::kF32 ? "float32" : e == Encoding::kF16 ? "float16" : "bfloat16";
}

// config.json of what is written: another dtype, a head of its own.
Json changed_config(Json config, const SaveOptions& options, bool has_head) {
  const auto change = [&](Json part, bool top) {
    if (has_head && (top || part.find("tie_word_embeddings")))
      part.set("tie_word_embeddings", false);
    if (options.dtype) {
      for (const char* key : {"dtype", "torch_dtype"})
        if (part.find(key)) part.set(key, torch_name(*options.dtype));
    }
    return part;
  };
  for (const char* key : {"text_config", "vision_config"}) {
    const Json* part = config.find(key);
    if (part && part->is_object()) config.set(key, change(*part, false));
  }
  return change(std::move(config), true);
}

}  // namespace

std::span<const char* const> side_files() {
  return kFiles;
}

Status save_model(LoadedModel& loaded, const formats::ModelFolder& source, base::ThreadPool& pool,
                  const std::string& out, const SaveOptions& options) {
  if (options.dtype && !is_plain(*options.dtype)) {
    return fail(Code::kUsage, "a model's folder holds f32, bf16 or f16, not " +
                                  std::string(encoding::name(*options.dtype)) +
                                  "; choose one of them");
  }
  OCELLI_ASSIGN(base::AtomicFolder folder, base::AtomicFolder::create(out));
  for (const char* name : kFiles) {
    OCELLI_ASSIGN(const std::optional<std::string> text, source.text(name, kMaxCopiedFile));
    if (text) OCELLI_TRY(base::write_file_atomically(folder.file(name), *text, kMode));
  }
  OCELLI_ASSIGN(const std::optional<std::string> text, source.text("config.json", kMaxConfigBytes));
  if (!text) return fail(Code::kBadInput, "config.json is missing", source.name());
  OCELLI_ASSIGN(Json config, Json::parse(*text, {.max_bytes = kMaxConfigBytes}).in("config.json"));
  config = formats::without_quantization_config(config);  // blocks become bf16
  Saver saver(loaded, pool, options);
  OCELLI_TRY(saver.write_weights(folder));
  OCELLI_TRY(base::write_file_atomically(
      folder.file("config.json"),
      changed_config(std::move(config), options, saver.writes_head()).dump(2) + "\n", kMode));
  return folder.commit();
}

}  // namespace ocelli::models
