// safetensors, read: 8 bytes length N (little-endian), N bytes of JSON, then the tensors' bytes.
// https://huggingface.co/docs/safetensors; docs/formats.md has the rules in full.
//
//   OCELLI_ASSIGN(const SafetensorsFile file, SafetensorsFile::open("model.safetensors"));
//   const TensorInfo* norm = file.find("model.norm.weight");
//
// Everything is checked before a tensor can be seen: the header is one JSON object in UTF-8 without
// a name twice, every tensor's size is its shape times its dtype, and the tensors fill the data
// without holes or overlap to the last byte. Time n log n in the number of tensors. Errors are
// kBadInput (kDoesNotFit for what is over a limit) with the file, and the tensor where one is
// meant.
#pragma once

#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "formats/tensor_info.h"

namespace ocelli::formats {

inline constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the original
inline constexpr size_t kMaxHeaderValues = 1'500'000;     // JSON values; a tensor takes about nine
inline constexpr size_t kMaxTensors = 100'000;            // of one file; large models have 2,000
inline constexpr size_t kMaxDims = 8;
inline constexpr size_t kMaxTensorName = 1024;  // bytes

class SafetensorsFile {
 public:
  static base::Result<SafetensorsFile> open(const std::string& path);

  // A file that lies in memory, which must outlive this object and the bytes taken from it.
  static base::Result<SafetensorsFile> parse(std::span<const std::byte> bytes);

  // In the order of their bytes in the file.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }

  // The tensor, or null. Binary search.
  const TensorInfo* find(std::string_view name) const;

  // The header's __metadata__, in its order.
  const std::vector<std::pair<std::string, std::string>>& metadata() const { return metadata_; }

  // The whole file, header included. The mapping is for hints such as prefetch(); empty after
  // parse().
  std::span<const std::byte> bytes() const { return bytes_; }
  const base::MappedFile& mapping() const { return mapping_; }

 private:
  base::Status read(std::span<const std::byte> bytes);
  base::Status read_metadata(const base::Json& metadata);
  void sort_names();

  base::MappedFile mapping_;
  std::span<const std::byte> bytes_;
  std::vector<TensorInfo> tensors_;
  std::vector<uint32_t> by_name_;  // positions in tensors_, names ascending
  std::vector<std::pair<std::string, std::string>> metadata_;
};

}  // namespace ocelli::formats
