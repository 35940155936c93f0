#include "media/decode.h"

#include <new>
#include <string>
#include <vector>

#include "media/codecs.h"
#include "media/header.h"
#include "media/orientation.h"

namespace ocelli::media {

using base::Code;
using base::fail;
using base::Result;

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

void whiten(const Canvas& canvas, uint32_t colour) {
  const uint8_t r = uint8_t(colour >> 16), g = uint8_t(colour >> 8), b = uint8_t(colour);
  for (size_t i = 0; i + 2 < canvas.rgb.size(); i += 3) {
    uint8_t* pixel = &canvas.rgb[i];
    if (pixel[0] == r && pixel[1] == g && pixel[2] == b) pixel[0] = pixel[1] = pixel[2] = 255;
  }
}

void drop_or_blend(const uint8_t* in, size_t count, Alpha alpha, uint8_t* out) {
  for (size_t i = 0; i < count; ++i, in += 4, out += 3) {
    for (int c = 0; c < 3; ++c) out[c] = alpha == Alpha::kWhite ? over_white(in[c], in[3]) : in[c];
  }
}

namespace {

base::Status decode_by_format(Format format, std::span<const std::byte> bytes,
                              const DecodeOptions& options, const Canvas& out, ImageFacts& facts) {
  switch (format) {
    case Format::kJpeg:
      return decode_jpeg(bytes, options, out, facts);
    case Format::kPng:
      return decode_png(bytes, options, out, facts);
    case Format::kWebp:
      return decode_webp(bytes, options, out, facts);
    case Format::kGif:
      return decode_gif(bytes, options, out, facts);
    case Format::kBmp:
      return decode_bmp(bytes, options, out, facts);
    case Format::kTiff:
      return decode_tiff(bytes, options, out, facts);
    case Format::kHeic:
    case Format::kAvif:
      return decode_heif(bytes, options, out, facts);
    case Format::kUnknown:
      break;
  }
  return broken_file(format, "read_header accepts no such file");
}

Result<ImageFacts> decode_upright(std::span<const std::byte> bytes, const Header& header,
                                  const DecodeOptions& options, std::span<uint8_t> rgb) {
  ImageFacts facts = facts_of(header);
  if (facts.exif_orientation == 1) {
    OCELLI_TRY(
        decode_by_format(header.format, bytes, options, {header.width, header.height, rgb}, facts));
    facts.sixteen_bit_grey = saturates(facts.mode);
    return facts;
  }
  std::vector<uint8_t> stored(rgb.size());
  OCELLI_TRY(decode_by_format(header.format, bytes, options, {header.width, header.height, stored},
                              facts));
  facts.sixteen_bit_grey = saturates(facts.mode);
  turn_upright(stored, header.width, header.height, facts.exif_orientation, rgb);
  return facts;
}

base::Error no_memory(const Header& header) {
  return fail(Code::kDoesNotFit, "no memory for the picture (" + std::to_string(header.width) +
                                     " x " + std::to_string(header.height) +
                                     " pixels); scale it down first");
}

}  // namespace

Result<Image> decode(std::span<const std::byte> bytes, const DecodeOptions& options) {
  OCELLI_ASSIGN(const Header header, read_header(bytes, options.limits));
  try {
    Image image{header.upright_width(), header.upright_height(), {}, {}};
    image.rgb.resize(image.row_bytes() * size_t(image.height));
    OCELLI_ASSIGN(image.facts, decode_upright(bytes, header, options, image.rgb));
    return image;
  } catch (const std::bad_alloc&) {
    return no_memory(header);
  }
}

Result<ImageFacts> decode_into(std::span<const std::byte> bytes, const DecodeOptions& options,
                               std::span<uint8_t> rgb) {
  OCELLI_ASSIGN(const Header header, read_header(bytes, options.limits));
  OCELLI_CHECK(rgb.size() == size_t(header.width) * size_t(header.height) * 3,
               "room for exactly the picture");
  try {
    return decode_upright(bytes, header, options, rgb);
  } catch (const std::bad_alloc&) {
    return no_memory(header);
  }
}

}  // namespace ocelli::media
