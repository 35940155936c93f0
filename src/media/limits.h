// What a picture may cost. All are tested on the header, before anything is allocated.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ocelli::media {

inline constexpr size_t kMaxImageBytes = size_t{20} << 20;  // of the file
inline constexpr int64_t kMaxPixels = int64_t{64} << 20;
inline constexpr int kMaxSide = 32768;
inline constexpr int kMaxJpegScans = 100;  // a progressive file with thousands costs minutes
// A progressive 4:4:4 JPEG of kMaxPixels keeps 6 bytes of coefficients a pixel.
inline constexpr size_t kMaxCodecBytes = size_t{512} << 20;

struct DecodeLimits {
  size_t max_bytes = kMaxImageBytes;
  int64_t max_pixels = kMaxPixels;
  int max_side = kMaxSide;
  int max_jpeg_scans = kMaxJpegScans;
  size_t max_codec_bytes = kMaxCodecBytes;
};

}  // namespace ocelli::media
