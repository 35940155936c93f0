// WebP through libwebp. Still pictures are decoded straight to RGB, which gives the same bytes as
// the animation decoder that Pillow always uses; animated ones go through that decoder.
#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>
#include <vector>

#include "media/codecs.h"

namespace ocelli::media {
namespace {

using base::Status;

const char* reason(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY:
      return "no memory";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return "a feature that libwebp lacks";
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA:
      return "it ends too early";
    default:
      return "damaged data";
  }
}

struct DeleteDemuxer {
  void operator()(WebPDemuxer* d) const { WebPDemuxDelete(d); }
};
struct DeleteAnimation {
  void operator()(WebPAnimDecoder* d) const { WebPAnimDecoderDelete(d); }
};

// A container that is not whole is refused, as Pillow does.
Status check_container(const WebPData& data, const Canvas& out) {
  const std::unique_ptr<WebPDemuxer, DeleteDemuxer> demuxer(WebPDemux(&data));
  if (demuxer == nullptr)
    return broken_file(Format::kWebp, "it ends too early or its chunks disagree");
  if (int64_t(WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH)) != out.width ||
      int64_t(WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT)) != out.height) {
    return broken_file(Format::kWebp, "it has two sizes");
  }
  return {};
}

Status decode_still(const WebPData& data, WEBP_CSP_MODE colours, int bytes_per_pixel, int width,
                    std::span<uint8_t> out) {
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0)
    return broken_file(Format::kWebp, "libwebp has another version");
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

Status decode_first_frame(const WebPData& data, Alpha alpha, const Canvas& out) {
  WebPAnimDecoderOptions options;
  if (WebPAnimDecoderOptionsInit(&options) == 0) {
    return broken_file(Format::kWebp, "libwebp has another version");
  }
  options.color_mode = MODE_RGBA;
  const std::unique_ptr<WebPAnimDecoder, DeleteAnimation> decoder(
      WebPAnimDecoderNew(&data, &options));
  if (decoder == nullptr) return broken_file(Format::kWebp, "damaged data");
  uint8_t* rgba = nullptr;
  int time = 0;
  if (WebPAnimDecoderGetNext(decoder.get(), &rgba, &time) == 0) {
    return broken_file(Format::kWebp, "damaged data");
  }
  drop_or_blend(rgba, out.rgb.size() / 3, alpha, out.rgb.data());
  return {};
}

}  // namespace

Status decode_webp(std::span<const std::byte> bytes, const DecodeOptions& options,
                   const Canvas& out, ImageFacts& facts) {
  const WebPData data = {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
  OCELLI_TRY(check_container(data, out));
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(data.bytes, data.size, &features);
  if (status != VP8_STATUS_OK) return broken_file(Format::kWebp, reason(status));
  facts.had_alpha = features.has_alpha != 0;
  facts.mode = facts.had_alpha ? Mode::kRgba : Mode::kRgb;
  if (facts.animated) return decode_first_frame(data, options.alpha, out);
  if (!facts.had_alpha || options.alpha == Alpha::kDrop)
    return decode_still(data, MODE_RGB, 3, out.width, out.rgb);
  std::vector<uint8_t> rgba(out.rgb.size() / 3 * 4);
  OCELLI_TRY(decode_still(data, MODE_RGBA, 4, out.width, rgba));
  drop_or_blend(rgba.data(), rgba.size() / 4, options.alpha, out.rgb.data());
  return {};
}

}  // namespace ocelli::media
