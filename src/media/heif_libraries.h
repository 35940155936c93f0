// libheif and the decoders under it, loaded when the first HEIC or AVIF picture comes. Internal to
// this room. Linking them would cost every start of the program and of its decoder 3 ms.
#pragma once

#include <dav1d/dav1d.h>
#include <libde265/de265.h>
#include <libheif/heif.h>
#include <libheif/heif_plugin.h>

#include "base/result.h"

namespace ocelli::media {

// The functions that are used, by their own names.
struct HeifLibraries {
  decltype(&::heif_context_alloc) heif_context_alloc;
  decltype(&::heif_context_free) heif_context_free;
  decltype(&::heif_context_get_primary_image_handle) heif_context_get_primary_image_handle;
  decltype(&::heif_context_read_from_memory_without_copy)
      heif_context_read_from_memory_without_copy;
  decltype(&::heif_context_set_max_decoding_threads) heif_context_set_max_decoding_threads;
  decltype(&::heif_context_set_maximum_image_size_limit) heif_context_set_maximum_image_size_limit;
  decltype(&::heif_decode_image) heif_decode_image;
  decltype(&::heif_decoding_options_alloc) heif_decoding_options_alloc;
  decltype(&::heif_decoding_options_free) heif_decoding_options_free;
  decltype(&::heif_image_handle_has_alpha_channel) heif_image_handle_has_alpha_channel;
  decltype(&::heif_image_handle_release) heif_image_handle_release;
  decltype(&::heif_image_create) heif_image_create;
  decltype(&::heif_image_add_plane) heif_image_add_plane;
  decltype(&::heif_image_get_plane) heif_image_get_plane;
  decltype(&::heif_image_get_plane_readonly) heif_image_get_plane_readonly;
  decltype(&::heif_image_get_width) heif_image_get_width;
  decltype(&::heif_image_get_height) heif_image_get_height;
  decltype(&::heif_image_release) heif_image_release;
  decltype(&::heif_image_set_nclx_color_profile) heif_image_set_nclx_color_profile;
  decltype(&::heif_nclx_color_profile_alloc) heif_nclx_color_profile_alloc;
  decltype(&::heif_nclx_color_profile_free) heif_nclx_color_profile_free;
  decltype(&::heif_nclx_color_profile_set_color_primaries)
      heif_nclx_color_profile_set_color_primaries;
  decltype(&::heif_nclx_color_profile_set_matrix_coefficients)
      heif_nclx_color_profile_set_matrix_coefficients;
  decltype(&::heif_nclx_color_profile_set_transfer_characteristics)
      heif_nclx_color_profile_set_transfer_characteristics;
  decltype(&::heif_register_decoder_plugin) heif_register_decoder_plugin;

  decltype(&::de265_new_decoder) de265_new_decoder;
  decltype(&::de265_free_decoder) de265_free_decoder;
  decltype(&::de265_push_NAL) de265_push_NAL;
  decltype(&::de265_flush_data) de265_flush_data;
  decltype(&::de265_decode) de265_decode;
  decltype(&::de265_get_next_picture) de265_get_next_picture;
  decltype(&::de265_get_warning) de265_get_warning;
  decltype(&::de265_get_bits_per_pixel) de265_get_bits_per_pixel;
  decltype(&::de265_get_chroma_format) de265_get_chroma_format;
  decltype(&::de265_get_image_plane) de265_get_image_plane;
  decltype(&::de265_get_image_width) de265_get_image_width;
  decltype(&::de265_get_image_height) de265_get_image_height;
  decltype(&::de265_get_image_colour_primaries) de265_get_image_colour_primaries;
  decltype(&::de265_get_image_full_range_flag) de265_get_image_full_range_flag;
  decltype(&::de265_get_image_matrix_coefficients) de265_get_image_matrix_coefficients;
  decltype(&::de265_get_image_transfer_characteristics) de265_get_image_transfer_characteristics;

  decltype(&::dav1d_default_settings) dav1d_default_settings;
  decltype(&::dav1d_open) dav1d_open;
  decltype(&::dav1d_close) dav1d_close;
  decltype(&::dav1d_data_create) dav1d_data_create;
  decltype(&::dav1d_data_unref) dav1d_data_unref;
  decltype(&::dav1d_send_data) dav1d_send_data;
  decltype(&::dav1d_get_picture) dav1d_get_picture;
  decltype(&::dav1d_picture_unref) dav1d_picture_unref;
};

// Loads them at the first call and tells the same at every later one.
// Errors (kUsage): a library is missing, or of another major version than the headers.
base::Status load_heif_libraries();

// Requires (CHECK) that they are loaded.
const HeifLibraries& heif();

}  // namespace ocelli::media
