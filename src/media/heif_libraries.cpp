#include "media/heif_libraries.h"

#include "base/shared_library.h"

namespace ocelli::media {
namespace {

using base::Result;
using base::SharedLibrary;
using base::Status;

constexpr std::string_view kNeed = "HEIC and AVIF pictures need the library";

Status find_container(HeifLibraries& l) {
  SharedLibrary container(OCELLI_HEIF_FILE);
  container.find("heif_context_alloc", l.heif_context_alloc);
  container.find("heif_context_free", l.heif_context_free);
  container.find("heif_context_get_primary_image_handle", l.heif_context_get_primary_image_handle);
  container.find("heif_context_read_from_memory_without_copy",
                 l.heif_context_read_from_memory_without_copy);
  container.find("heif_context_set_max_decoding_threads", l.heif_context_set_max_decoding_threads);
  container.find("heif_context_set_maximum_image_size_limit",
                 l.heif_context_set_maximum_image_size_limit);
  container.find("heif_decode_image", l.heif_decode_image);
  container.find("heif_decoding_options_alloc", l.heif_decoding_options_alloc);
  container.find("heif_decoding_options_free", l.heif_decoding_options_free);
  container.find("heif_image_handle_has_alpha_channel", l.heif_image_handle_has_alpha_channel);
  container.find("heif_image_handle_release", l.heif_image_handle_release);
  container.find("heif_image_create", l.heif_image_create);
  container.find("heif_image_add_plane", l.heif_image_add_plane);
  container.find("heif_image_get_plane", l.heif_image_get_plane);
  container.find("heif_image_get_plane_readonly", l.heif_image_get_plane_readonly);
  container.find("heif_image_get_width", l.heif_image_get_width);
  container.find("heif_image_get_height", l.heif_image_get_height);
  container.find("heif_image_release", l.heif_image_release);
  container.find("heif_image_set_nclx_color_profile", l.heif_image_set_nclx_color_profile);
  container.find("heif_nclx_color_profile_alloc", l.heif_nclx_color_profile_alloc);
  container.find("heif_nclx_color_profile_free", l.heif_nclx_color_profile_free);
  container.find("heif_nclx_color_profile_set_color_primaries",
                 l.heif_nclx_color_profile_set_color_primaries);
  container.find("heif_nclx_color_profile_set_matrix_coefficients",
                 l.heif_nclx_color_profile_set_matrix_coefficients);
  container.find("heif_nclx_color_profile_set_transfer_characteristics",
                 l.heif_nclx_color_profile_set_transfer_characteristics);
  container.find("heif_register_decoder_plugin", l.heif_register_decoder_plugin);
  return container.found(kNeed);
}

Status find_hevc(HeifLibraries& l) {
  SharedLibrary hevc(OCELLI_DE265_FILE);
  hevc.find("de265_new_decoder", l.de265_new_decoder);
  hevc.find("de265_free_decoder", l.de265_free_decoder);
  hevc.find("de265_push_NAL", l.de265_push_NAL);
  hevc.find("de265_flush_data", l.de265_flush_data);
  hevc.find("de265_decode", l.de265_decode);
  hevc.find("de265_get_next_picture", l.de265_get_next_picture);
  hevc.find("de265_get_warning", l.de265_get_warning);
  hevc.find("de265_get_bits_per_pixel", l.de265_get_bits_per_pixel);
  hevc.find("de265_get_chroma_format", l.de265_get_chroma_format);
  hevc.find("de265_get_image_plane", l.de265_get_image_plane);
  hevc.find("de265_get_image_width", l.de265_get_image_width);
  hevc.find("de265_get_image_height", l.de265_get_image_height);
  hevc.find("de265_get_image_colour_primaries", l.de265_get_image_colour_primaries);
  hevc.find("de265_get_image_full_range_flag", l.de265_get_image_full_range_flag);
  hevc.find("de265_get_image_matrix_coefficients", l.de265_get_image_matrix_coefficients);
  hevc.find("de265_get_image_transfer_characteristics", l.de265_get_image_transfer_characteristics);
  return hevc.found(kNeed);
}

Status find_av1(HeifLibraries& l) {
  SharedLibrary av1(OCELLI_DAV1D_FILE);
  av1.find("dav1d_default_settings", l.dav1d_default_settings);
  av1.find("dav1d_open", l.dav1d_open);
  av1.find("dav1d_close", l.dav1d_close);
  av1.find("dav1d_data_create", l.dav1d_data_create);
  av1.find("dav1d_data_unref", l.dav1d_data_unref);
  av1.find("dav1d_send_data", l.dav1d_send_data);
  av1.find("dav1d_get_picture", l.dav1d_get_picture);
  av1.find("dav1d_picture_unref", l.dav1d_picture_unref);
  return av1.found(kNeed);
}

const Result<HeifLibraries>& loaded() {
  static const Result<HeifLibraries> libraries = []() -> Result<HeifLibraries> {
    HeifLibraries l = {};
    OCELLI_TRY(find_container(l));
    OCELLI_TRY(find_hevc(l));
    OCELLI_TRY(find_av1(l));
    return l;
  }();
  return libraries;
}

}  // namespace

Status load_heif_libraries() {
  if (!loaded().ok()) return loaded().error();
  return {};
}

const HeifLibraries& heif() {
  OCELLI_CHECK(loaded().ok(), "libheif is loaded");
  return loaded().value();
}

}  // namespace ocelli::media
