// A GGUF model may be cut into files NAME-00001-of-00003.gguf: the first holds the metadata, each
// some of the tensors.
#pragma once

#include "formats/gguf.h"

namespace ocelli::formats {

inline constexpr int64_t kMaxGgufShards = 1000;

// All files of the model whose first (or only) one is at `path`. Checked: that `path` is the first
// one, that each is there and says its own number, that together they hold as many tensors as the
// first one says and none twice. Errors name the shard.
base::Result<std::vector<GgufFile>> open_gguf(const std::string& path);

}  // namespace ocelli::formats
