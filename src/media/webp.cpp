// WebP through libwebp. Still pictures are decoded straight to RGB, which gives the same bytes as
// the animation decoder that Pillow always uses; animated ones go through that decoder.
#include <memory>
#include <vector>

#include <webp/decode.h>
#include <webp/demux.h>

#include "media/codecs.h"

namespace ocelli::media {
namespace {

using base::Result;
using base::Status;

const char* reason(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY: return "no memory";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "a feature that libwebp lacks";
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA: return "it ends too early";
    default: return "damaged data";
  }
}

struct DeleteDemuxer {
  void operator()(WebPDemuxer* d) const { WebPDemuxDelete(d); }
};
struct DeleteAnimation {
  void operator()(WebPAnimDecoder* d) const { WebPAnimDecoderDelete(d); }
};

// A container that is not whole is refused, as Pillow does.
Status check_container(const WebPData& data, const Header& header) {
  const std::unique_ptr<WebPDemuxer, DeleteDemuxer> demuxer(WebPDemux(&data));
  if (demuxer == nullptr) return broken_file(header.format, "it ends too early or its chunks disagree");
  if (int64_t(WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH)) != header.width ||
      int64_t(WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT)) != header.height) {
    return broken_file(header.format, "it has two sizes");
  }
  return {};
}

Status decode_still(const WebPData& data, WEBP_CSP_MODE colours, int bytes_per_pixel, int width,
                    std::span<uint8_t> out) {
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) return broken_file(Format::kWebp, "libwebp has another version");
  config.output.colorspace = colours;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = out.data();
  config.output.u.RGBA.stride = width * bytes_per_pixel;
  config.output.u.RGBA.size = out.size();
  const VP8StatusCode status = WebPDecode(data.bytes, data.size, &config);
  WebPFreeDecBuffer(&config.output);
  if (status != VP8_STATUS_OK) return broken_file(Format::kWebp, reason(status));
  return {};
}

Status decode_first_frame(const WebPData& data, Alpha alpha, Image& image) {
  WebPAnimDecoderOptions options;
  if (WebPAnimDecoderOptionsInit(&options) == 0) {
    return broken_file(Format::kWebp, "libwebp has another version");
  }
  options.color_mode = MODE_RGBA;
  const std::unique_ptr<WebPAnimDecoder, DeleteAnimation> decoder(WebPAnimDecoderNew(&data, &options));
  if (decoder == nullptr) return broken_file(Format::kWebp, "damaged data");
  uint8_t* rgba = nullptr;
  int time = 0;
  if (WebPAnimDecoderGetNext(decoder.get(), &rgba, &time) == 0) {
    return broken_file(Format::kWebp, "damaged data");
  }
  drop_or_blend(rgba, size_t(image.width) * size_t(image.height), alpha, image.rgb.data());
  return {};
}

}  // namespace

Result<Image> decode_webp(std::span<const std::byte> bytes, const Header& header,
                          const DecodeOptions& options) {
  const WebPData data = {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
  OCELLI_TRY(check_container(data, header));
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(data.bytes, data.size, &features);
  if (status != VP8_STATUS_OK) return broken_file(header.format, reason(status));
  Image image = blank_image(header);
  image.facts.had_alpha = features.has_alpha != 0;
  image.facts.mode = image.facts.had_alpha ? Mode::kRgba : Mode::kRgb;
  if (header.animated) {
    OCELLI_TRY(decode_first_frame(data, options.alpha, image));
  } else if (image.facts.had_alpha && options.alpha != Alpha::kDrop) {
    std::vector<uint8_t> rgba(size_t(header.width) * size_t(header.height) * 4);
    OCELLI_TRY(decode_still(data, MODE_RGBA, 4, header.width, rgba));
    drop_or_blend(rgba.data(), rgba.size() / 4, options.alpha, image.rgb.data());
  } else {
    OCELLI_TRY(decode_still(data, MODE_RGB, 3, header.width, image.rgb));
  }
  return image;
}

}  // namespace ocelli::media
