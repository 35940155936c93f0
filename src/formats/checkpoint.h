// Checkpoint: all weights of a model folder, one file or many, as one list of tensors.
#pragma once

#include <memory>

#include "base/hash.h"
#include "formats/quantization_config.h"
#include "formats/safetensors.h"

namespace ocelli::formats {

inline constexpr size_t kMaxIndexBytes = size_t{16} << 20;
inline constexpr size_t kMaxShards = 1000;

class Checkpoint {
 public:
  Checkpoint() = default;  // of no tensors

  // Maps model.safetensors of the folder or, where there is none, the shards that
  // model.safetensors.index.json names. Shards lie in the folder itself; one that is missing is
  // named, and so is a tensor that its shard does not hold. Folders with nothing but pickled
  // weights (pytorch_model.bin, .pt) are refused: reading those can run code.
  static base::Result<Checkpoint> open(const std::string& folder);

  // One safetensors file in memory, which must outlive the checkpoint.
  static base::Result<Checkpoint> from_memory(std::span<const std::byte> file);

  // Texts that a file says about itself, in its order.
  using Metadata = std::vector<std::pair<std::string, std::string>>;

  // Tensors in files of another format.
  struct Foreign {
    std::string format;
    Metadata metadata;
    std::vector<TensorInfo> tensors;                // no name twice
    std::shared_ptr<const void> owner;              // keeps their bytes in place
    std::vector<const base::MappedFile*> mappings;  // the files
  };
  static base::Result<Checkpoint> of(Foreign foreign);

  // Tensors of bytes that are encoded matrices: from now on they have the encoding, the shape and
  // the dtype ("Q4") and the layout of what they hold. Checked first: each is there, holds bytes
  // (U8), and has EncodedTensor::stored_shape().
  base::Status take_encoded(const EncodedTensors& encoded);

  // "safetensors", "GGUF 3"
  const std::string& format() const { return foreign_.format; }
  // Of the first file.
  const Metadata& metadata() const {
    return files_.empty() ? foreign_.metadata : files_[0].metadata();
  }

  // File by file, in the order of their bytes. Addresses stay as they are while this object lives,
  // also when it is moved.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }

  // The tensor, or null.
  const TensorInfo* find(std::string_view name) const;

  // The name most like `name`, or "" where none is (for error messages).
  std::string nearest(std::string_view name) const;

  // Bytes of all tensors.
  int64_t total_bytes() const { return total_bytes_; }

  // Tells the system that these bytes of a tensor are not needed soon: memory goes down, the
  // content stays.
  void release(std::span<const std::byte> bytes) const;

  // The safetensors files that hold the weights, in the order of tensors().
  const std::vector<SafetensorsFile>& files() const { return files_; }

  // A name for these weights that costs little: SHA-256 of every tensor's name, dtype, shape and of
  // at most 16 pieces of 4 KiB of its bytes. Other weights have another fingerprint unless they
  // differ in a few numbers only; for certainty hash files()[i].bytes().
  base::Digest256 fingerprint() const;

 private:
  static base::Result<Checkpoint> open_shards(const std::string& folder);
  void finish();

  std::vector<SafetensorsFile> files_;
  Foreign foreign_{"safetensors", {}, {}, {}, {}};  // its tensors are moved to tensors_
  std::vector<TensorInfo> tensors_;
  std::vector<uint32_t> by_name_;  // positions in tensors_, names ascending
  int64_t total_bytes_ = 0;
};

}  // namespace ocelli::formats
