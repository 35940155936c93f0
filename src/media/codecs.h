// One function per format. Internal to this room: call decode() (decode.h).
#pragma once

#include <cstddef>
#include <span>

#include "base/result.h"
#include "media/decode.h"
#include "media/header.h"

namespace ocelli::media {

// Each expects bytes whose header read_header accepted, and gives the picture as stored (not
// upright) with facts.mode, had_alpha, sixteen_bit_grey and damaged filled in.
base::Result<Image> decode_jpeg(std::span<const std::byte> bytes, const Header& header,
                                const DecodeOptions& options);
base::Result<Image> decode_png(std::span<const std::byte> bytes, const Header& header,
                               const DecodeOptions& options);
base::Result<Image> decode_webp(std::span<const std::byte> bytes, const Header& header,
                                const DecodeOptions& options);

// A picture of the header's size with all pixels black.
Image blank_image(const Header& header);

// "broken PNG file (DETAIL); save the picture again".
base::Error broken_file(Format format, std::string_view detail);

// One colour sample with the given opacity over white, rounded as Pillow's alpha_composite.
uint8_t over_white(uint8_t sample, uint8_t alpha);

// `count` pixels R, G, B, A at `in` to R, G, B at `out`.
void drop_or_blend(const uint8_t* in, size_t count, Alpha alpha, uint8_t* out);

}  // namespace ocelli::media
