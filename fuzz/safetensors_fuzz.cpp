// Any bytes are refused, or are tensors that lie within them and are found by their names.
#include <cstdlib>

#include "formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ocelli::formats::SafetensorsFile;
  const std::span bytes = std::as_bytes(std::span(data, size));
  const auto file = SafetensorsFile::parse(bytes);
  if (!file.ok()) return 0;
  size_t sum = 0;
  for (const auto& tensor : file->tensors()) {
    sum += tensor.bytes.size();
    if (tensor.bytes.data() < bytes.data() || tensor.bytes.size() > size ||
        tensor.bytes.data() + tensor.bytes.size() > bytes.data() + size ||
        file->find(tensor.name) != &tensor) {
      std::abort();
    }
  }
  if (sum > size) std::abort();
  return 0;
}
