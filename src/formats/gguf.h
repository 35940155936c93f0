// GGUF, versions 2 and 3, read: the format of llama.cpp. docs/formats.md has the rules in full.
//
//   uint32 "GGUF", uint32 version, uint64 tensors, uint64 keys
//   keys and values, then for each tensor: name, dimensions (fastest first), type, offset
//   padding to the alignment, then the tensors' bytes
//
//   OCELLI_ASSIGN(const GgufFile file, GgufFile::open("model.gguf"));
//
// Everything is checked before a tensor can be seen: every count and length against the bytes that
// are left, names, shapes, types, rows of whole blocks, offsets that are aligned and end in the
// file, no two tensors on the same bytes. Time is linear in the header but for n log n in the
// number of tensors. gguf_model.h makes a model of it.
#pragma once

#include "base/file.h"
#include "formats/gguf_metadata.h"
#include "formats/tensor_info.h"

namespace ocelli::formats {

inline constexpr uint64_t kMaxGgufTensors = 100'000;
inline constexpr uint64_t kMaxGgufNameBytes = 1024;
inline constexpr uint32_t kMaxGgufDims = 4;
inline constexpr uint32_t kDefaultGgufAlignment = 32, kMaxGgufAlignment = 65'536;

class GgufFile {
 public:
  static base::Result<GgufFile> open(const std::string& path);

  // A file that lies in memory, which must outlive this object and what is taken from it.
  static base::Result<GgufFile> parse(std::span<const std::byte> bytes);

  uint32_t version() const { return version_; }
  const GgufMetadata& metadata() const { return metadata_; }

  // In the order of the file. Shapes are written as elsewhere, the fastest dimension last.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }

  std::span<const std::byte> bytes() const { return bytes_; }
  const base::MappedFile& mapping() const { return mapping_; }

 private:
  base::Status read(std::span<const std::byte> bytes);

  base::MappedFile mapping_;
  std::span<const std::byte> bytes_;
  uint32_t version_ = 0;
  GgufMetadata metadata_;
  std::vector<TensorInfo> tensors_;
};

}  // namespace ocelli::formats
