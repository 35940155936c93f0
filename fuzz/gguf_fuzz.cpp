// Any bytes are refused, or are metadata that can be read and tensors that lie within them.
#include <cstdlib>

#include "formats/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ocelli::formats::GgufFile;
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
  return 0;
}
