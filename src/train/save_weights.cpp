#include "train/save_weights.h"

#include <map>

#include "base/file.h"
#include "base/folders.h"
#include "formats/safetensors_writer.h"
#include "models/config.h"

namespace ocelli::train {

using base::Result;
using base::Status;
using encoding::Encoding;

namespace {

constexpr const char* kDescribing[] = {"config.json",
                                       "generation_config.json",
                                       "tokenizer.json",
                                       "tokenizer_config.json",
                                       "special_tokens_map.json",
                                       "added_tokens.json",
                                       "vocab.json",
                                       "merges.txt",
                                       "preprocessor_config.json",
                                       "video_preprocessor_config.json",
                                       "processor_config.json",
                                       "chat_template.jinja",
                                       "chat_template.json"};
constexpr size_t kMaxDescribing = size_t{256} << 20;

Status write_tensor(formats::SafetensorsWriter& out, const formats::TensorInfo& t,
                    const Parameter* trained, Encoding stored) {
  if (!trained && (!t.encoding || *t.encoding == stored)) return out.write(t.bytes);
  const int64_t count = trained ? trained->count : [&] {
    int64_t n = 1;
    for (const int64_t d : t.shape) n *= d;
    return n;
  }();
  constexpr int64_t kPiece = 1 << 16;
  std::vector<float> numbers(size_t(std::min(count, kPiece)));
  std::vector<std::byte> bytes(numbers.size() * 4);
  for (int64_t first = 0; first < count; first += kPiece) {
    const int64_t n = std::min(kPiece, count - first);
    const float* from = numbers.data();
    if (trained) {
      from = trained->value + first;
    } else {
      encoding::decode_row(*t.encoding, t.bytes.data(), first, n, numbers.data());
    }
    encoding::encode_row(stored, from, n, bytes.data());
    OCELLI_TRY(out.write(std::span(bytes).first(size_t(encoding::row_bytes(stored, n)))));
  }
  return {};
}

}  // namespace

Status save_full_model(const models::LoadedModel& loaded, const formats::ModelFolder& source,
                       const ParameterSet& parameters, std::optional<Encoding> dtype,
                       const std::string& out) {
  OCELLI_TRY(base::make_folders(out));
  for (const char* name : kDescribing) {
    OCELLI_ASSIGN(const std::optional<std::string> text, source.text(name, kMaxDescribing));
    if (text) OCELLI_TRY(base::write_file_atomically(base::join_path(out, name), *text, 0644));
  }
  std::map<std::string_view, const Parameter*> trained;
  for (const Parameter& p : parameters.all()) trained[p.name] = &p;
  std::vector<formats::TensorSpec> specs;
  for (const formats::TensorInfo& t : loaded.checkpoint.tensors()) {
    const bool bytes = !t.encoding;
    if (bytes) specs.push_back({t.name, Encoding::kF32, {int64_t(t.bytes.size())}, true});
    if (bytes) continue;
    const bool simple = *t.encoding == Encoding::kF32 || *t.encoding == Encoding::kF16 ||
                        *t.encoding == Encoding::kBF16;
    specs.push_back({t.name, dtype.value_or(simple ? *t.encoding : Encoding::kBF16), t.shape});
  }
  OCELLI_ASSIGN(auto file, formats::SafetensorsWriter::create(
                               base::join_path(out, "model.safetensors"), specs));
  size_t i = 0;
  for (const formats::TensorInfo& t : loaded.checkpoint.tensors()) {
    const auto found = trained.find(t.name);
    OCELLI_TRY(write_tensor(file, t, found == trained.end() ? nullptr : found->second,
                            specs[i++].encoding));
  }
  return file.commit();
}

}  // namespace ocelli::train
