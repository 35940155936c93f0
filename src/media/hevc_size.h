// The size of the frames that an HEVC bit stream announces, read before its decoder sees it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace ocelli::media {

struct HevcSize {
  uint32_t width, height;
};

// Of a sequence parameter set (ITU-T H.265, 7.3.2.2); nothing for other units. A set that is cut
// short counts as UINT32_MAX x UINT32_MAX.
std::optional<HevcSize> hevc_size(std::span<const uint8_t> unit);

}  // namespace ocelli::media
