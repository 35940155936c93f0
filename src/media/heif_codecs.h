// The codecs inside HEIC (HEVC) and AVIF (AV1), as decoder plug-ins of libheif.
//
// libheif brings such plug-ins along, but its HEVC one starts a thread, which the confined decoder
// may not, and neither has a limit on the size that a bit stream claims. Ours run on the calling
// thread, refuse frames that are too large before they take memory, and treat concealed damage as
// an error.
#pragma once

#include <cstdint>

namespace ocelli::media {

// Limits for the decoding that this thread does while the object lives.
class HeifBudget {
 public:
  // A frame (tile) may have `frame_pixels`, all together `all_pixels`.
  HeifBudget(int64_t frame_pixels, int64_t all_pixels);
  ~HeifBudget();
  HeifBudget(const HeifBudget&) = delete;
  HeifBudget& operator=(const HeifBudget&) = delete;
};

// Registers the plug-ins, once; cheap afterwards. False where libheif refuses them.
bool register_heif_codecs();

}  // namespace ocelli::media
