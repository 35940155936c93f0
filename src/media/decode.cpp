#include "media/decode.h"

#include <new>
#include <string>

#include "media/codecs.h"
#include "media/header.h"
#include "media/orientation.h"

namespace ocelli::media {

using base::Code;
using base::fail;
using base::Result;

Image blank_image(const Header& header) {
  Image image{header.width, header.height, {}, {}};
  image.facts.format = header.format;
  image.facts.stored_width = header.width;
  image.facts.stored_height = header.height;
  image.facts.animated = header.animated;
  image.rgb.resize(image.row_bytes() * size_t(header.height));
  return image;
}

base::Error broken_file(Format format, std::string_view detail) {
  return fail(Code::kBadInput, std::string("broken ") + format_name(format) + " file (" +
                                   base::printable(detail) + "); save the picture again");
}

// alpha_composite over an opaque backdrop: coefficients with 7 extra bits, division by 255 by
// shifts, half of the last place added first.
uint8_t over_white(uint8_t sample, uint8_t alpha) {
  const uint32_t mine = uint32_t(alpha) << 7, backdrop = (uint32_t{255} << 7) - mine;
  const uint32_t sum = sample * mine + 255 * backdrop + (0x80 << 7);
  return uint8_t(((sum >> 8) + sum) >> 8 >> 7);
}

void drop_or_blend(const uint8_t* in, size_t count, Alpha alpha, uint8_t* out) {
  for (size_t i = 0; i < count; ++i, in += 4, out += 3) {
    for (int c = 0; c < 3; ++c) out[c] = alpha == Alpha::kWhite ? over_white(in[c], in[3]) : in[c];
  }
}

namespace {

Result<Image> decode_by_format(std::span<const std::byte> bytes, const Header& header,
                               const DecodeOptions& options) {
  if (header.format == Format::kJpeg) return decode_jpeg(bytes, header, options);
  if (header.format == Format::kPng) return decode_png(bytes, header, options);
  return decode_webp(bytes, header, options);
}

}  // namespace

Result<Image> decode(std::span<const std::byte> bytes, const DecodeOptions& options) {
  OCELLI_ASSIGN(const Header header, read_header(bytes, options.limits));
  try {
    OCELLI_ASSIGN(Image image, decode_by_format(bytes, header, options));
    apply_orientation(image, header.orientation);
    return image;
  } catch (const std::bad_alloc&) {
    return fail(Code::kDoesNotFit, "no memory for the picture (" + std::to_string(header.width) + " x " +
                                       std::to_string(header.height) + " pixels); scale it down first");
  }
}

}  // namespace ocelli::media
