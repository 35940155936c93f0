// Picture files to pixels, in this process.
//
// The pixels are those of Pillow 13.0.0: ImageOps.exif_transpose(Image.open(f)).convert("RGB"),
// and then what transformers' processors do first: where one colour stands for transparent (GIF,
// PNG), all pixels of that colour become white. An alpha channel is dropped unblended and 16-bit
// grey above 255 turns white; the options below are the sane behaviour. decoder_process.h does the
// same work in a confined child.
#pragma once

#include <cstddef>
#include <span>

#include "base/result.h"
#include "media/image.h"
#include "media/limits.h"

namespace ocelli::media {

enum class Alpha : uint8_t {
  kDrop,   // as the original: hidden colours of transparent areas show
  kWhite,  // blended over white, as Pillow's alpha_composite
};

enum class Grey16 : uint8_t {
  kSaturate,  // as Pillow: min(sample, 255)
  kScale,     // the high byte
};

struct DecodeOptions {
  DecodeLimits limits = {};
  Alpha alpha = Alpha::kDrop;
  Grey16 grey16 = Grey16::kSaturate;
};

// JPEG (baseline, extended, progressive; grey, colour, CMYK), PNG (every kind), WebP (lossy,
// lossless), GIF, BMP, TIFF (what Pillow reads), HEIC, AVIF; the first frame of an animated file.
// Other kinds, damaged and truncated files and whatever is over a limit are errors (kBadInput). May
// be called from several threads.
base::Result<Image> decode(std::span<const std::byte> bytes, const DecodeOptions& options = {});

// The same into memory of the caller, which must have room for exactly the upright picture:
// upright_width() * upright_height() * 3 bytes of read_header's answer (CHECK). After an error the
// memory holds anything.
base::Result<ImageFacts> decode_into(std::span<const std::byte> bytes, const DecodeOptions& options,
                                     std::span<uint8_t> rgb);

}  // namespace ocelli::media
