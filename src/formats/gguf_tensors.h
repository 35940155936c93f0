// The tensors of GGUF files under the names, and with the rows, of Hugging Face.
#pragma once

#include <memory>

#include "formats/gguf_config.h"

namespace ocelli::formats {

// Memory for rows that had to be put in another order.
using OwnedRows = std::vector<std::unique_ptr<std::byte[]>>;

struct GgufTensorOptions {
  bool pictures = false;                 // the names of a model with a vision tower
  std::optional<GgufHeads> interleaved;  // heads whose rotary pairs lie side by side
};

// Appends the tensors of `file`. What has no name here keeps its own. Rows of q and k are copied
// into `owned` in the order of the original, and the file's pages released. Errors: rows that do
// not make heads; scaled rotary positions (rope_freqs.weight), which are not supported.
base::Status append_tensors(const GgufFile& file, const GgufTensorOptions& options,
                            std::vector<TensorInfo>& out, OwnedRows& owned);

// The name of a tensor of a text model or of a projector; "" where it has none.
std::string hugging_face_name(std::string_view name, bool pictures);

}  // namespace ocelli::formats
