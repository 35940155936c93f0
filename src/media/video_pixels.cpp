#include "media/video_pixels.h"

#include <new>

#include "media/limits.h"
#include "media/orientation.h"
#include "media/video_file.h"

namespace ocelli::media {

using base::Result;
using base::Status;

namespace {

// swscale's vector code writes up to this much behind the last pixel of a row.
constexpr size_t kSlack = 64;

// As the scale filter (its option in_color_matrix=auto): a tag that swscale knows, else BT.601.
int known_colorspace(int colorspace) {
  const bool known = colorspace >= 1 && colorspace <= 10 && colorspace != 8;
  return known ? colorspace : int(AVCOL_SPC_BT470BG);
}

}  // namespace

Status PixelConverter::prepare(const Kind& kind) {
  if (scaler_ != nullptr && kind == kind_) return {};
  api_->sws_freeContext(scaler_);
  scaler_ = api_->sws_alloc_context();
  if (scaler_ == nullptr) return no_video_memory();
  const auto set = [&](const char* name, int64_t value) {
    api_->av_opt_set_int(scaler_, name, value, 0);
  };
  set("srcw", kind.width);
  set("srch", kind.height);
  set("src_format", kind.format);
  set("dstw", kind.width);
  set("dsth", kind.height);
  set("dst_format", AV_PIX_FMT_RGB24);
  set("sws_flags", SWS_BICUBIC | SWS_ACCURATE_RND | SWS_BITEXACT);
  if (kind.range != AVCOL_RANGE_UNSPECIFIED) set("src_range", kind.range == AVCOL_RANGE_JPEG);
  // The scale filter's default for the usual format: chroma lies as in MPEG-2.
  if (kind.format == AV_PIX_FMT_YUV420P) set("src_v_chr_pos", 128);
  if (api_->sws_init_context(scaler_, nullptr, nullptr) < 0)
    return broken_video("its colours are of a kind that cannot be converted");
  int *matrix, *out_matrix, full, out_full, brightness, contrast, saturation;
  if (api_->sws_getColorspaceDetails(scaler_, &matrix, &full, &out_matrix, &out_full, &brightness,
                                     &contrast, &saturation) >= 0) {
    if (kind.range != AVCOL_RANGE_UNSPECIFIED) full = kind.range == AVCOL_RANGE_JPEG;
    const int* wanted = api_->sws_getCoefficients(known_colorspace(kind.colorspace));
    api_->sws_setColorspaceDetails(scaler_, wanted, full, wanted, out_full, brightness, contrast,
                                   saturation);
  }
  kind_ = kind;
  return {};
}

Result<Image> PixelConverter::convert(const AVFrame& frame, const int32_t* stream_matrix,
                                      const VideoLimits& limits) {
  if (frame.width < 1 || frame.height < 1 || frame.width > kMaxSide || frame.height > kMaxSide ||
      int64_t{frame.width} * frame.height > limits.max_pixels) {
    return broken_video("a frame has " + std::to_string(frame.width) + " x " +
                        std::to_string(frame.height) + " pixels");
  }
  OCELLI_TRY(prepare(
      {frame.width, frame.height, frame.format, int(frame.colorspace), int(frame.color_range)}));
  const AVFrameSideData* side = api_->av_frame_get_side_data(&frame, AV_FRAME_DATA_DISPLAYMATRIX);
  const bool own = side != nullptr && side->size >= 9 * sizeof(int32_t);
  const int orientation =
      orientation_of(*api_, own ? reinterpret_cast<const int32_t*>(side->data) : stream_matrix);
  try {
    Image stored{frame.width, frame.height, {}, {}};
    const size_t bytes = stored.row_bytes() * size_t(frame.height);
    stored.rgb.resize(bytes + kSlack);
    uint8_t* planes[4] = {stored.rgb.data(), nullptr, nullptr, nullptr};
    const int strides[4] = {int(stored.row_bytes()), 0, 0, 0};
    if (api_->sws_scale(scaler_, frame.data, frame.linesize, 0, frame.height, planes, strides) !=
        frame.height) {
      return broken_video("its colours cannot be converted");
    }
    stored.rgb.resize(bytes);
    stored.facts.stored_width = frame.width;
    stored.facts.stored_height = frame.height;
    stored.facts.exif_orientation = orientation;
    if (orientation == 1) return stored;
    Image upright{frame.width, frame.height, {}, stored.facts};
    if (swaps_sides(orientation)) std::swap(upright.width, upright.height);
    upright.rgb.resize(bytes);
    turn_upright(stored.rgb, stored.width, stored.height, orientation, upright.rgb);
    return upright;
  } catch (const std::bad_alloc&) {
    return no_video_memory();
  }
}

}  // namespace ocelli::media
