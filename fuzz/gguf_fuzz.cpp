// Any bytes are refused, or are metadata that can be read and tensors that lie within them; a model
// or a vision tower made of them is JSON and tensors, or an error.
#include <cstdlib>

#include "formats/gguf_tensors.h"
#include "formats/gguf_tokenizer.h"

namespace {

using namespace ocelli::formats;

void expect_json(const ocelli::base::Result<std::string>& text) {
  if (text.ok() && !ocelli::base::Json::parse(*text).ok()) std::abort();
}

// What gguf_model.cpp makes of a file.
void import(const GgufFile& file) {
  const GgufMetadata& metadata = file.metadata();
  expect_json(gguf_config_json({metadata, nullptr, true}));
  expect_json(gguf_config_json({metadata, &metadata, false}));
  expect_json(gguf_generation_config(metadata));
  expect_json(gguf_preprocessor_config(metadata));
  expect_json(gguf_processor_config(metadata));
  expect_json(gguf_tokenizer_config(metadata));
  // A token twice is found by whoever reads the vocabulary.
  (void)gguf_tokenizer_json(metadata, "llama");
  (void)gguf_tokenizer_json(metadata, "gemma3");
  GgufTensorOptions options;
  options.pictures = true;
  const auto heads = gguf_heads(metadata);
  if (heads.ok()) options.interleaved = *heads;
  std::vector<TensorInfo> tensors;
  OwnedRows rows;
  (void)append_tensors(file, options, tensors, rows);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes = std::as_bytes(std::span(data, size));
  const auto file = GgufFile::parse(bytes);
  if (!file.ok()) return 0;
  size_t sum = 0;
  for (const auto& tensor : file->tensors()) {
    sum += tensor.bytes.size();
    if (tensor.bytes.data() < bytes.data() || tensor.bytes.size() > size ||
        tensor.bytes.data() + tensor.bytes.size() > bytes.data() + size) {
      std::abort();
    }
  }
  if (sum > size) std::abort();
  const auto& metadata = file->metadata();
  for (const auto& value : metadata.values()) {
    if (metadata.find(value.key) != &value) std::abort();
    (void)metadata.integer(value.key, {});
    (void)metadata.positive(value.key);
    (void)metadata.boolean(value.key, false);
    (void)metadata.text(value.key);
    (void)metadata.texts(value.key);
    (void)metadata.numbers(value.key, 1000);
    (void)metadata.integers(value.key, 1000);
  }
  import(*file);
  return 0;
}
