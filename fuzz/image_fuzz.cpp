// Any bytes as a picture: an error or a picture of the size that its header promised.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "media/decode.h"
#include "media/encode.h"
#include "media/header.h"
#include "media/orientation.h"
#include "media/resample.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ocelli::media;
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  orientation_in_exif(bytes);
  orientation_in_xmp(bytes);
  const DecodeLimits limits = {.max_pixels = 1 << 18};  // small pictures reach as much code, faster
  const Alpha alpha = size % 2 == 0 ? Alpha::kDrop : Alpha::kWhite;
  const auto header = read_header(bytes, limits);
  const auto image = decode(bytes, {.limits = limits, .alpha = alpha});
  if (!image.ok()) return 0;
  OCELLI_CHECK(header.ok(), "what decodes has a header");
  OCELLI_CHECK(image->width == header->upright_width(), "the width is the header's");
  OCELLI_CHECK(image->height == header->upright_height(), "the height is the header's");
  OCELLI_CHECK(image->rgb.size() == image->row_bytes() * size_t(image->height), "rgb is w * h * 3");
  const Image small = resize(*image, 7, 5, Filter::kLanczos);
  const auto file = encode_png(small);
  OCELLI_CHECK(file.ok() && decode(*file)->rgb == small.rgb, "PNG keeps the pixels");
  return 0;
}
