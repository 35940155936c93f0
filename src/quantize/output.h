// Files of a quantized model: what they hold, and how they are written without holding it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/resumable_folder.h"
#include "encoding/strips.h"
#include "formats/gguf_writer.h"
#include "models/loader.h"
#include "quantize/recipe.h"

namespace ocelli::quantize {

// Rows that are made already, in the plain layout.
struct MadeRows {
  encoding::Encoding encoding = encoding::Encoding::kF32;
  std::shared_ptr<const std::vector<std::byte>> bytes;
};

struct OutTensor {
  std::string name;  // in the file
  encoding::Encoding encoding = encoding::Encoding::kF32;
  std::vector<int64_t> shape;                          // the fastest dimension last
  models::ParameterRef parameter;                      // where the numbers come from
  std::shared_ptr<const std::vector<std::byte>> made;  // or its rows, MadeRows::bytes
  int64_t rows = 1, cols = 0;
  bool fallback = false;  // Choice::fallback
  int64_t interleaved_heads =
      0;  // heads whose rows are stored in llama.cpp's order; 0: as they are
  encoding::Layout layout = encoding::Layout::kPlain;

  uint64_t bytes() const {
    const bool plain = layout == encoding::Layout::kPlain;
    return uint64_t(plain ? rows * encoding::row_bytes(encoding, cols)
                          : encoding::strip_shape(encoding, rows, cols).bytes());
  }
};

// One file with tensors.
struct OutFile {
  std::string name;
  std::string header;
  std::vector<OutTensor> tensors;
  std::vector<uint64_t> begins;  // of each tensor in the file; zeros in between
  uint64_t bytes = 0;
  // Texts whose content comes later: offset, room.
  std::map<std::string, std::pair<uint64_t, size_t>> reserved;
};

// The tensors of `choices` under Hugging Face's names. `weights` knows the shapes of convolutions.
// With kPacked all whose encoding has strips are packed.
std::vector<OutTensor> plan_tensors(const std::vector<Choice>& choices,
                                    const formats::Checkpoint& weights,
                                    encoding::Layout layout = encoding::Layout::kPlain);

// model.safetensors, or several of at most `max_bytes` each (a larger tensor is alone in its file).
// `fingerprint` of the source goes into their metadata, so that adapters know their base model.
base::Result<std::vector<OutFile>> plan_safetensors(std::vector<OutTensor> tensors,
                                                    uint64_t max_bytes,
                                                    const std::string& fingerprint);
// model.safetensors.index.json of several files.
base::Json safetensors_index(const std::vector<OutFile>& files);

// A GGUF file; the tensors have its names.
base::Result<OutFile> plan_gguf(std::string name, const formats::GgufHeader& header,
                                std::vector<OutTensor> tensors);

struct WriteOptions {
  base::Progress* progress = nullptr;
  const base::CancelToken* cancel = nullptr;
  uint64_t checkpoint_bytes = uint64_t{64} << 20;  // written between two places to go on from
  int64_t piece_bytes = int64_t{8} << 20;          // made and written at a time
};

// Writes what an earlier run has not, tensor by tensor; memory is a few rows. Errors: a number that
// an encoding cannot store; a full disk; kInterrupted on request, with what is done kept.
base::Status write_files(const std::vector<OutFile>& files, base::ResumableFolder& folder,
                         const models::LoadedModel& source, base::ThreadPool& pool,
                         const WriteOptions& options);

// Rows [first, first + count) in the plain layout; false where a number does not survive.
bool encode_rows(const OutTensor& tensor, int64_t first, int64_t count, base::ThreadPool& pool,
                 std::byte* out);

}  // namespace ocelli::quantize
