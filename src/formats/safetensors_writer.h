// safetensors, written: the header first, then the tensors' bytes as they come, so that a file of
// any size needs no memory. Until commit() the old file, if any, stays.
//
//   OCELLI_ASSIGN(auto out, SafetensorsWriter::create(path, {{"w", Encoding::kF32, {2, 3}}}));
//   OCELLI_TRY(out.write(std::as_bytes(std::span(numbers))));
//   OCELLI_TRY(out.commit());
#pragma once

#include <utility>

#include "base/file.h"
#include "formats/tensor_info.h"

namespace ocelli::formats {

struct TensorSpec {
  std::string name;
  encoding::Encoding encoding = encoding::Encoding::kF32;  // f32, f16 or bf16
  std::vector<int64_t> shape;
  // Another dtype of the format ("I64"), with the bytes that the tensor takes: for tensors that go
  // from one file to another as they are.
  std::string dtype = {};
  uint64_t bytes = 0;
};

using Metadata = std::vector<std::pair<std::string, std::string>>;

// What stands in front of the tensors' bytes: the length and the JSON, padded so that the data
// begins at a multiple of 64. Refuses what create() refuses.
base::Result<std::string> safetensors_header(const std::vector<TensorSpec>& tensors,
                                             const Metadata& metadata,
                                             uint64_t* data_bytes = nullptr);

class SafetensorsWriter {
 public:
  // Refuses (kBadInput) what SafetensorsFile would not read again: a name twice, one too long or
  // not UTF-8, the name __metadata__, too many tensors; and encodings that the format lacks. The
  // data begins at a multiple of 64 bytes, so that mapped tensors are aligned to their numbers.
  static base::Result<SafetensorsWriter> create(const std::string& path,
                                                const std::vector<TensorSpec>& tensors,
                                                const Metadata& metadata = {{"format", "pt"}},
                                                unsigned mode = 0644);

  // The bytes of all tensors in the order given to create(), in pieces of any size.
  base::Status write(std::span<const std::byte> bytes);

  // Requires that exactly data_bytes() were written (CHECK).
  base::Status commit();

  uint64_t data_bytes() const { return data_bytes_; }

 private:
  SafetensorsWriter(base::AtomicWriter out, uint64_t data_bytes)
      : out_(std::move(out)), data_bytes_(data_bytes) {}

  base::AtomicWriter out_;
  uint64_t data_bytes_, written_ = 0;
};

}  // namespace ocelli::formats
