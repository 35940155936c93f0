#include "media/heif_codecs.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "media/heif_libraries.h"
#include "media/hevc_size.h"

namespace ocelli::media {
namespace {

struct Budget {
  int64_t frame = 0, all = 0;
};
thread_local Budget budget;

constexpr int kPriority = 1000;  // libheif's own have 100 and 150

const heif_error kFine = {heif_error_Ok, heif_suberror_Unspecified, "Success"};
const heif_error kDamaged = {heif_error_Decoder_plugin_error, heif_suberror_Unspecified,
                             "damaged data"};
const heif_error kTooLarge = {heif_error_Memory_allocation_error,
                              heif_suberror_Security_limit_exceeded, "a frame has too many pixels"};
const heif_error kNoMemory = {heif_error_Memory_allocation_error, heif_suberror_Unspecified,
                              "no memory"};

bool spend(int64_t width, int64_t height) {
  if (width <= 0 || height <= 0 || width > budget.frame / height) return false;
  budget.all -= width * height;
  return budget.all >= 0;
}

struct Plane {
  const uint8_t* data;
  ptrdiff_t stride;
  int width, height;
};

// Planes Y (Cb, Cr) of `bits` per sample, more than 8 in two bytes of the machine's order.
heif_error make_image(std::span<const Plane> planes, heif_chroma chroma, int bits,
                      heif_image** out) {
  constexpr heif_channel kChannels[] = {heif_channel_Y, heif_channel_Cb, heif_channel_Cr};
  heif_image* image = nullptr;
  const bool grey = planes.size() == 1;
  heif_error error = heif().heif_image_create(
      planes[0].width, planes[0].height, grey ? heif_colorspace_monochrome : heif_colorspace_YCbCr,
      grey ? heif_chroma_monochrome : chroma, &image);
  if (error.code != heif_error_Ok) return error;
  for (size_t c = 0; c < planes.size() && error.code == heif_error_Ok; ++c) {
    const Plane& p = planes[c];
    error = heif().heif_image_add_plane(image, kChannels[c], p.width, p.height, bits);
    int stride = 0;
    uint8_t* to = heif().heif_image_get_plane(image, kChannels[c], &stride);
    if (error.code != heif_error_Ok || to == nullptr) continue;
    for (int y = 0; y < p.height; ++y) {
      std::memcpy(to + ptrdiff_t(y) * stride, p.data + y * p.stride,
                  size_t(p.width) * (bits > 8 ? 2 : 1));
    }
  }
  if (error.code != heif_error_Ok) {
    heif().heif_image_release(image);
    return kNoMemory;
  }
  *out = image;
  return kFine;
}

// How the stream says its numbers mean colours; libheif prefers what the file itself says.
void set_colours(heif_image* image, int primaries, int transfer, int matrix, bool full_range) {
  heif_color_profile_nclx* profile = heif().heif_nclx_color_profile_alloc();
  if (profile == nullptr) return;
  heif().heif_nclx_color_profile_set_color_primaries(profile, uint16_t(primaries));
  heif().heif_nclx_color_profile_set_transfer_characteristics(profile, uint16_t(transfer));
  heif().heif_nclx_color_profile_set_matrix_coefficients(profile, uint16_t(matrix));
  profile->full_range_flag = full_range ? 1 : 0;
  heif().heif_image_set_nclx_color_profile(image, profile);
  heif().heif_nclx_color_profile_free(profile);
}

// ------------------------------------------------------------------------------------------ HEVC

heif_error hevc_new(void** decoder) {
  *decoder = heif().de265_new_decoder();
  return *decoder == nullptr ? kNoMemory : kFine;
}

void hevc_free(void* decoder) {
  heif().de265_free_decoder(decoder);
}

// Units of a length of four bytes and that many bytes.
heif_error hevc_push(void* decoder, const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  while (size > 0) {
    if (size < 4) return kDamaged;
    const size_t unit =
        size_t(bytes[0]) << 24 | size_t(bytes[1]) << 16 | size_t(bytes[2]) << 8 | size_t(bytes[3]);
    bytes += 4;
    size -= 4;
    if (unit > size) return kDamaged;
    const auto sides = hevc_size({bytes, unit});
    if (sides && !spend(sides->width, sides->height)) return kTooLarge;
    if (heif().de265_push_NAL(decoder, bytes, int(unit), 0, nullptr) != DE265_OK) return kDamaged;
    bytes += unit;
    size -= unit;
  }
  return kFine;
}

heif_error hevc_image_of(const de265_image* picture, heif_image** out) {
  const int bits = heif().de265_get_bits_per_pixel(picture, 0);
  const de265_chroma chroma = heif().de265_get_chroma_format(picture);
  std::vector<Plane> planes;
  for (int c = 0; c < (chroma == de265_chroma_mono ? 1 : 3); ++c) {
    if (heif().de265_get_bits_per_pixel(picture, c) != bits) return kDamaged;
    int stride = 0;
    const uint8_t* data = heif().de265_get_image_plane(picture, c, &stride);
    planes.push_back({data, stride, heif().de265_get_image_width(picture, c),
                      heif().de265_get_image_height(picture, c)});
    if (data == nullptr || planes.back().width <= 0 || planes.back().height <= 0) return kDamaged;
  }
  const heif_error error = make_image(planes, heif_chroma(chroma), bits, out);
  if (error.code != heif_error_Ok) return error;
  set_colours(*out, heif().de265_get_image_colour_primaries(picture),
              heif().de265_get_image_transfer_characteristics(picture),
              heif().de265_get_image_matrix_coefficients(picture),
              heif().de265_get_image_full_range_flag(picture) != 0);
  return kFine;
}

// libde265 repairs what it can and warns; a repaired picture is partly invented.
bool hevc_warned(void* decoder) {
  for (;;) {
    const de265_error warning = heif().de265_get_warning(decoder);
    if (warning == DE265_OK) return false;
    if (warning != DE265_WARNING_NO_WPP_CANNOT_USE_MULTITHREADING) return true;
  }
}

heif_error hevc_decode(void* decoder, heif_image** out) {
  *out = nullptr;
  if (heif().de265_flush_data(decoder) != DE265_OK) return kDamaged;
  for (int more = 1; more != 0;) {
    more = 0;
    const de265_error error = heif().de265_decode(decoder, &more);
    if (error != DE265_OK && error != DE265_ERROR_WAITING_FOR_INPUT_DATA) return kDamaged;
    const de265_image* picture = heif().de265_get_next_picture(decoder);
    if (picture == nullptr) continue;
    return hevc_warned(decoder) ? kDamaged : hevc_image_of(picture, out);
  }
  return kDamaged;
}

// ------------------------------------------------------------------------------------------- AV1

struct Av1 {
  Dav1dContext* context = nullptr;
  std::vector<uint8_t> bytes;
  ~Av1() {
    if (context != nullptr) heif().dav1d_close(&context);
  }
};

heif_error av1_new(void** decoder) {
  std::unique_ptr<Av1> av1(new (std::nothrow) Av1);
  if (av1 == nullptr) return kNoMemory;
  Dav1dSettings settings;
  heif().dav1d_default_settings(&settings);
  settings.n_threads = 1;
  settings.max_frame_delay = 1;
  settings.all_layers = 0;
  settings.frame_size_limit = unsigned(std::min<int64_t>(budget.frame, UINT32_MAX));
  settings.logger.callback = nullptr;
  if (heif().dav1d_open(&av1->context, &settings) != 0) return kNoMemory;
  *decoder = av1.release();
  return kFine;
}

void av1_free(void* decoder) {
  delete static_cast<Av1*>(decoder);
}

heif_error av1_push(void* decoder, const void* data, size_t size) {
  auto& bytes = static_cast<Av1*>(decoder)->bytes;
  const auto* from = static_cast<const uint8_t*>(data);
  bytes.insert(bytes.end(), from, from + size);
  return kFine;
}

heif_error av1_image_of(const Dav1dPicture& picture, heif_image** out) {
  if (!spend(picture.p.w, picture.p.h)) return kTooLarge;
  const bool half_width = picture.p.layout != DAV1D_PIXEL_LAYOUT_I444;
  const bool half_height = picture.p.layout == DAV1D_PIXEL_LAYOUT_I420;
  std::vector<Plane> planes;
  for (int c = 0; c < (picture.p.layout == DAV1D_PIXEL_LAYOUT_I400 ? 1 : 3); ++c) {
    planes.push_back({static_cast<const uint8_t*>(picture.data[c]), picture.stride[c > 0 ? 1 : 0],
                      c > 0 && half_width ? (picture.p.w + 1) / 2 : picture.p.w,
                      c > 0 && half_height ? (picture.p.h + 1) / 2 : picture.p.h});
  }
  const heif_chroma chroma = half_height  ? heif_chroma_420
                             : half_width ? heif_chroma_422
                                          : heif_chroma_444;
  const heif_error error = make_image(planes, chroma, picture.p.bpc, out);
  if (error.code != heif_error_Ok) return error;
  set_colours(*out, picture.seq_hdr->pri, picture.seq_hdr->trc, picture.seq_hdr->mtrx,
              picture.seq_hdr->color_range != 0);
  return kFine;
}

heif_error av1_decode(void* decoder, heif_image** out) {
  Av1& av1 = *static_cast<Av1*>(decoder);
  *out = nullptr;
  if (av1.bytes.empty()) return kDamaged;
  Dav1dData data = {};
  uint8_t* to = heif().dav1d_data_create(&data, av1.bytes.size());
  if (to == nullptr) return kNoMemory;
  std::memcpy(to, av1.bytes.data(), av1.bytes.size());
  heif_error error = kDamaged;
  for (;;) {
    const int sent = data.sz > 0 ? heif().dav1d_send_data(av1.context, &data) : 0;
    if (sent < 0 && sent != DAV1D_ERR(EAGAIN)) break;
    Dav1dPicture picture = {};
    const int got = heif().dav1d_get_picture(av1.context, &picture);
    if (got == 0) {
      error = av1_image_of(picture, out);
      heif().dav1d_picture_unref(&picture);
      break;
    }
    if (got != DAV1D_ERR(EAGAIN) || data.sz == 0) break;
  }
  heif().dav1d_data_unref(&data);
  return error;
}

// ----------------------------------------------------------------------------------- registration

const char* hevc_name() {
  return "libde265 on the calling thread";
}
const char* av1_name() {
  return "dav1d on the calling thread";
}
int hevc_supports(heif_compression_format format) {
  return format == heif_compression_HEVC ? kPriority : 0;
}
int av1_supports(heif_compression_format format) {
  return format == heif_compression_AV1 ? kPriority : 0;
}
void ignore_strictness(void*, int) {}

heif_decoder_plugin plugin_of(const char* (*name)(), int (*supports)(heif_compression_format),
                              heif_error (*make)(void**), void (*free)(void*),
                              heif_error (*push)(void*, const void*, size_t),
                              heif_error (*decode)(void*, heif_image**)) {
  heif_decoder_plugin plugin = {};
  plugin.plugin_api_version = 2;
  plugin.get_plugin_name = name;
  plugin.does_support_format = supports;
  plugin.new_decoder = make;
  plugin.free_decoder = free;
  plugin.push_data = push;
  plugin.decode_image = decode;
  plugin.set_strict_decoding = ignore_strictness;
  return plugin;
}

}  // namespace

HeifBudget::HeifBudget(int64_t frame_pixels, int64_t all_pixels) {
  budget = {frame_pixels, all_pixels};
}
HeifBudget::~HeifBudget() {
  budget = {};
}

bool register_heif_codecs() {
  static const heif_decoder_plugin hevc =
      plugin_of(hevc_name, hevc_supports, hevc_new, hevc_free, hevc_push, hevc_decode);
  static const heif_decoder_plugin av1 =
      plugin_of(av1_name, av1_supports, av1_new, av1_free, av1_push, av1_decode);
  static const bool registered = heif().heif_register_decoder_plugin(&hevc).code == heif_error_Ok &&
                                 heif().heif_register_decoder_plugin(&av1).code == heif_error_Ok;
  return registered;
}

}  // namespace ocelli::media
