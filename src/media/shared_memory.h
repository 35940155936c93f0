// Memory that another process may have too. Internal to this room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "media/unique_fd.h"

namespace ocelli::media {

// Anonymous memory of a fixed size that begins with `content`. Neither side can shrink or grow it
// (touching what was cut off would kill the reader); `extra_seals` are further F_SEAL_ flags.
base::Result<UniqueFd> shared_memory(size_t bytes, int extra_seals,
                                     std::span<const std::byte> content);

// The first pixels.size() bytes.
base::Status read_shared_memory(const UniqueFd& from, std::span<uint8_t> pixels);

}  // namespace ocelli::media
