// HEIC and AVIF through libheif: the primary picture, with crop and turns applied.
#include <algorithm>
#include <exception>
#include <memory>
#include <vector>

#include "media/codecs.h"
#include "media/heif_codecs.h"
#include "media/heif_libraries.h"

namespace ocelli::media {
namespace {

using base::Status;

struct FreeContext {
  void operator()(heif_context* c) const { heif().heif_context_free(c); }
};
struct FreeHandle {
  void operator()(heif_image_handle* h) const { heif().heif_image_handle_release(h); }
};
struct FreeImage {
  void operator()(heif_image* i) const { heif().heif_image_release(i); }
};
struct FreeOptions {
  void operator()(heif_decoding_options* o) const { heif().heif_decoding_options_free(o); }
};

base::Error refused(Format format, const heif_error& error) {
  return broken_file(format, error.message != nullptr ? error.message : "damaged data");
}

Status decode_primary(Format format, std::span<const std::byte> bytes, const DecodeOptions& options,
                      const Canvas& out, ImageFacts& facts) {
  const std::unique_ptr<heif_context, FreeContext> context(heif().heif_context_alloc());
  const std::unique_ptr<heif_decoding_options, FreeOptions> how(
      heif().heif_decoding_options_alloc());
  if (context == nullptr || how == nullptr || !register_heif_codecs())
    return broken_file(format, "libheif does not start");
  heif().heif_context_set_max_decoding_threads(context.get(), 0);  // 0: on this thread
  heif().heif_context_set_maximum_image_size_limit(context.get(), options.limits.max_side);
  heif_error error = heif().heif_context_read_from_memory_without_copy(context.get(), bytes.data(),
                                                                       bytes.size(), nullptr);
  if (error.code != heif_error_Ok) return refused(format, error);
  heif_image_handle* raw_handle = nullptr;
  error = heif().heif_context_get_primary_image_handle(context.get(), &raw_handle);
  const std::unique_ptr<heif_image_handle, FreeHandle> handle(raw_handle);
  if (error.code != heif_error_Ok) return refused(format, error);
  facts.had_alpha = heif().heif_image_handle_has_alpha_channel(handle.get()) != 0;
  facts.mode = facts.had_alpha ? Mode::kRgba : Mode::kRgb;
  const bool blend = facts.had_alpha && options.alpha == Alpha::kWhite;

  how->convert_hdr_to_8bit = 1;
  heif_image* raw_image = nullptr;
  error = heif().heif_decode_image(
      handle.get(), &raw_image, heif_colorspace_RGB,
      blend ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, how.get());
  const std::unique_ptr<heif_image, FreeImage> image(raw_image);
  if (error.code != heif_error_Ok) return refused(format, error);
  int stride = 0;
  const uint8_t* pixels =
      heif().heif_image_get_plane_readonly(image.get(), heif_channel_interleaved, &stride);
  if (pixels == nullptr) return broken_file(format, "damaged data");
  if (heif().heif_image_get_width(image.get(), heif_channel_interleaved) != out.width ||
      heif().heif_image_get_height(image.get(), heif_channel_interleaved) != out.height) {
    return broken_file(format, "it has two sizes");
  }
  const size_t width = size_t(out.width);
  for (int y = 0; y < out.height; ++y) {
    const uint8_t* row = pixels + ptrdiff_t(y) * stride;
    if (blend) {
      drop_or_blend(row, width, Alpha::kWhite, out.row(y));
    } else {
      std::copy_n(row, width * 3, out.row(y));
    }
  }
  return {};
}

}  // namespace

Status decode_heif(std::span<const std::byte> bytes, const DecodeOptions& options,
                   const Canvas& out, ImageFacts& facts) {
  OCELLI_TRY(load_heif_libraries());
  // Besides the picture itself: alpha, the padding of tiles, and one tile more.
  constexpr int64_t kRoom = 1024 * 1024;
  const int64_t most = std::max(options.limits.max_pixels, int64_t{1} << 18);
  const HeifBudget budget(most, 3 * most + kRoom);
  try {
    return decode_primary(facts.format, bytes, options, out, facts);
  } catch (const std::bad_alloc&) {
    throw;  // decode() says so
  } catch (const std::exception& e) {
    return broken_file(facts.format, e.what());
  }
}

}  // namespace ocelli::media
