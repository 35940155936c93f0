// One function per format. Internal to this room: call decode() (decode.h).
#pragma once

#include <cstddef>
#include <span>

#include "base/result.h"
#include "media/decode.h"
#include "media/image.h"

namespace ocelli::media {

// Where the pixels go: width x height as stored, R, G, B, rows without padding.
struct Canvas {
  int width, height;
  std::span<uint8_t> rgb;

  uint8_t* row(int y) const { return rgb.data() + size_t(y) * size_t(width) * 3; }
};

// Each expects bytes whose header read_header accepted and a canvas of the header's size, and
// fills in the canvas (not upright) and facts.mode, had_alpha and damaged.
base::Status decode_jpeg(std::span<const std::byte> bytes, const DecodeOptions& options,
                         const Canvas& out, ImageFacts& facts);
base::Status decode_png(std::span<const std::byte> bytes, const DecodeOptions& options,
                        const Canvas& out, ImageFacts& facts);
// Reads facts.animated: several frames, of which the first is wanted.
base::Status decode_webp(std::span<const std::byte> bytes, const DecodeOptions& options,
                         const Canvas& out, ImageFacts& facts);

// The first frame.
base::Status decode_gif(std::span<const std::byte> bytes, const DecodeOptions& options,
                        const Canvas& out, ImageFacts& facts);
base::Status decode_bmp(std::span<const std::byte> bytes, const DecodeOptions& options,
                        const Canvas& out, ImageFacts& facts);
// The first directory, not turned upright.
base::Status decode_tiff(std::span<const std::byte> bytes, const DecodeOptions& options,
                         const Canvas& out, ImageFacts& facts);
// HEIC or AVIF (facts.format), upright.
base::Status decode_heif(std::span<const std::byte> bytes, const DecodeOptions& options,
                         const Canvas& out, ImageFacts& facts);

// "broken PNG file (DETAIL); save the picture again".
base::Error broken_file(Format format, std::string_view detail);

// One colour sample with the given opacity over white, rounded as Pillow's alpha_composite.
uint8_t over_white(uint8_t sample, uint8_t alpha);

// Every pixel of this colour (0xRRGGBB) becomes white.
void whiten(const Canvas& canvas, uint32_t colour);

// `count` pixels R, G, B, A at `in` to R, G, B at `out`.
void drop_or_blend(const uint8_t* in, size_t count, Alpha alpha, uint8_t* out);

}  // namespace ocelli::media
