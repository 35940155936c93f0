// Any bytes as a picture of one format: an error or a picture of the size that its header promised.
//
// Built once per format (OCELLI_FUZZ_FORMAT, a name of media::Format): bytes that are another
// format's are turned away at once, so that each codec's path gets all executions.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "media/decode.h"
#include "media/encode.h"
#include "media/header.h"
#include "media/orientation.h"
#include "media/resample.h"
#include "media/sniff.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ocelli::media;
  // Small pictures reach as much code, faster.
  const DecodeLimits limits = {.max_bytes = 1 << 16, .max_pixels = 1 << 14, .max_side = 1 << 10};
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  if (sniff(bytes).format != Format::OCELLI_FUZZ_FORMAT) return 0;
  orientation_in_exif(bytes);
  orientation_in_xmp(bytes);
  const Alpha alpha = size % 2 == 0 ? Alpha::kDrop : Alpha::kWhite;
  const auto header = read_header(bytes, limits);
  const auto image = decode(bytes, {.limits = limits, .alpha = alpha});
  if (!image.ok()) return 0;
  OCELLI_CHECK(header.ok(), "what decodes has a header");
  OCELLI_CHECK(image->width == header->upright_width(), "the width is the header's");
  OCELLI_CHECK(image->height == header->upright_height(), "the height is the header's");
  OCELLI_CHECK(image->rgb.size() == image->row_bytes() * size_t(image->height), "rgb is w * h * 3");
  if (size % 16 != 0) return 0;  // the rest needs no picture of a certain format
  const Image small = resize(*image, 7, 5, Filter::kLanczos);
  const auto file = encode_png(small);
  OCELLI_CHECK(file.ok() && decode(*file)->rgb == small.rgb, "PNG keeps the pixels");
  return 0;
}
