// GGUF 3, written: everything in front of the tensors' bytes, and where those go. Whoever has the
// file writes the rest, so that a model of any size needs no memory.
//
//   GgufHeader header;
//   header.text("general.architecture", "llama").u32("llama.block_count", 30);
//   OCELLI_ASSIGN(const GgufLayout layout, header.finish(tensors));
//   layout.header, then for each tensor zeros up to layout.begins[i] and its bytes
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "encoding/encoding.h"

namespace ocelli::formats {

// Names longer than this are refused by llama.cpp (GGML_MAX_NAME, with the zero at the end).
inline constexpr size_t kMaxGgufWrittenName = 63;

struct GgufTensor {
  std::string name;  // of the file: "blk.0.attn_q.weight"
  encoding::Encoding encoding = encoding::Encoding::kF32;
  std::vector<int64_t> shape;  // the fastest dimension last, as elsewhere
};

struct GgufLayout {
  std::string header;            // padded to the alignment
  std::vector<uint64_t> begins;  // of each tensor in the file
  uint64_t bytes = 0;            // of the whole file
  // Where the texts of GgufHeader::reserved() lie.
  std::map<std::string, std::pair<uint64_t, size_t>> reserved;
};

// Whether a row of `cols` numbers in this encoding can lie in a GGUF file: whole blocks only.
bool fits_gguf(encoding::Encoding encoding, int64_t cols);

class GgufHeader {
 public:
  GgufHeader& text(std::string_view key, std::string_view value);
  GgufHeader& u32(std::string_view key, uint32_t value);
  GgufHeader& f32(std::string_view key, float value);
  GgufHeader& flag(std::string_view key, bool value);
  GgufHeader& texts(std::string_view key, std::span<const std::string> values);
  GgufHeader& i32s(std::string_view key, std::span<const int32_t> values);
  GgufHeader& f32s(std::string_view key, std::span<const float> values);
  // A text of `bytes` spaces, to be overwritten when its content is known.
  GgufHeader& reserved(std::string_view key, size_t bytes);

  // Refuses (kBadInput) what GgufFile or llama.cpp would not read: a key or name twice, too long or
  // of other than printable ASCII; shapes of no or more than four dimensions; rows that are not
  // whole blocks.
  base::Result<GgufLayout> finish(std::span<const GgufTensor> tensors) const;

 private:
  void begin(std::string_view key, uint32_t type);
  void begin_array(std::string_view key, uint32_t type, size_t count);

  std::string bytes_;  // keys and values
  std::vector<std::string> keys_;
  std::map<std::string, std::pair<uint64_t, size_t>> reserved_;  // offsets in bytes_
};

// The number of a type in the format, for types that are written.
std::optional<uint32_t> gguf_type_id(encoding::Encoding encoding);

// "model.text_model.layers.3.mlp.up_proj.weight" is "blk.3.ffn_up.weight"; "" where the format has
// no name. The inverse of hugging_face_name().
std::string gguf_name(std::string_view hugging_face_name);
// Whether a tensor of the file belongs into that of the vision tower (mmproj).
bool is_projector_name(std::string_view gguf_name);

// llama.cpp's converter stores the rows of q and k so that the two numbers of a rotary pair are
// neighbours: which row of the original is row `row` of the file. Requires rows in heads of even
// width.
int64_t interleaved_row(int64_t row, int64_t rows, int64_t heads);

}  // namespace ocelli::formats
