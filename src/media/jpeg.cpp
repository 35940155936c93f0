// JPEG through libjpeg-turbo with its defaults: accurate integer DCT, smooth chroma upsampling.
#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <string>
#include <vector>

// After <cstdio>, which they expect.
#include <jerror.h>
#include <jpeglib.h>

#include "media/codecs.h"

namespace ocelli::media {
namespace {

// libjpeg reports errors by a jump. Everything it jumps over is plain data: the functions that call
// setjmp hold no object with a destructor.
struct Session {
  jpeg_decompress_struct codec = {};
  jpeg_error_mgr errors = {};
  jpeg_source_mgr source = {};
  jpeg_progress_mgr progress = {};
  std::jmp_buf on_error;
  int max_scans = 0;
  char message[JMSG_LENGTH_MAX] = "it ends too early";

  ~Session() { jpeg_destroy_decompress(&codec); }  // harmless where nothing was created
};

Session& session_of(j_common_ptr codec) {
  return *static_cast<Session*>(codec->client_data);
}

[[noreturn]] void stop_with_error(j_common_ptr codec) {
  Session& s = session_of(codec);
  codec->err->format_message(codec, s.message);
  std::longjmp(s.on_error, 1);
}

void count_scans(j_common_ptr codec) {
  Session& s = session_of(codec);
  if (s.codec.input_scan_number <= s.max_scans) return;
  std::snprintf(s.message, sizeof s.message, "more scans than the limit of %d", s.max_scans);
  std::longjmp(s.on_error, 1);
}

void ignore(j_decompress_ptr) {}
void ignore_message(j_common_ptr) {}

// All bytes are there from the start; asking for more "suspends", which we report as truncated.
boolean no_more_input(j_decompress_ptr) {
  return FALSE;
}

void skip_input(j_decompress_ptr codec, long count) {
  jpeg_source_mgr& source = *codec->src;
  const size_t n = count <= 0 ? 0 : std::min(size_t(count), source.bytes_in_buffer);
  source.next_input_byte += n;
  source.bytes_in_buffer -= n;
}

bool read_file_header(Session& s, std::span<const std::byte> bytes, const DecodeLimits& limits) {
  s.codec.err = jpeg_std_error(&s.errors);
  s.errors.error_exit = stop_with_error;
  s.errors.output_message = ignore_message;
  s.codec.client_data = &s;
  s.max_scans = limits.max_jpeg_scans;
  if (setjmp(s.on_error) != 0) return false;
  jpeg_create_decompress(&s.codec);
  s.codec.mem->max_memory_to_use = long(limits.max_codec_bytes);
  s.progress.progress_monitor = count_scans;
  s.codec.progress = &s.progress;
  s.source.init_source = ignore;
  s.source.fill_input_buffer = no_more_input;
  s.source.skip_input_data = skip_input;
  s.source.resync_to_restart = jpeg_resync_to_restart;
  s.source.term_source = ignore;
  s.source.next_input_byte = reinterpret_cast<const JOCTET*>(bytes.data());
  s.source.bytes_in_buffer = bytes.size();
  s.codec.src = &s.source;
  return jpeg_read_header(&s.codec, TRUE) == JPEG_HEADER_OK;
}

// Pillow's cmyk2rgb, on samples inverted as Adobe writes them (Pillow always assumes that).
void cmyk_row_to_rgb(const uint8_t* in, size_t width, uint8_t* out) {
  for (size_t x = 0; x < width; ++x, in += 4, out += 3) {
    const int light = in[3];  // 255 - K
    for (int c = 0; c < 3; ++c) {
      const int product = (255 - in[c]) * light + 128;
      out[c] = uint8_t(std::max(light - (((product >> 8) + product) >> 8), 0));
    }
  }
}

void grey_row_to_rgb(const uint8_t* in, size_t width, uint8_t* out) {
  for (size_t x = 0; x < width; ++x, out += 3) out[0] = out[1] = out[2] = in[x];
}

// `scratch` holds one row of libjpeg's samples.
bool read_rows(Session& s, const Canvas& out, uint8_t* scratch) {
  if (setjmp(s.on_error) != 0) return false;
  if (!jpeg_start_decompress(&s.codec)) return false;
  while (s.codec.output_scanline < s.codec.output_height) {
    uint8_t* target = out.row(int(s.codec.output_scanline));
    JSAMPROW row = s.codec.output_components == 3 ? target : scratch;
    if (jpeg_read_scanlines(&s.codec, &row, 1) != 1) return false;
    if (s.codec.output_components == 1) grey_row_to_rgb(scratch, size_t(out.width), target);
    if (s.codec.output_components == 4) cmyk_row_to_rgb(scratch, size_t(out.width), target);
  }
  // A missing end marker after the last row is accepted, as Pillow does.
  jpeg_finish_decompress(&s.codec);
  return true;
}

}  // namespace

base::Status decode_jpeg(std::span<const std::byte> bytes, const DecodeOptions& options,
                         const Canvas& out, ImageFacts& facts) {
  Session s;
  const auto failed = [&] {
    if (s.errors.msg_code != JERR_NO_BACKING_STORE) return broken_file(Format::kJpeg, s.message);
    return base::fail(base::Code::kBadInput,
                      "the JPEG file needs too much memory to decode (limit " +
                          std::to_string(options.limits.max_codec_bytes) +
                          " bytes); scale it down first");
  };
  if (!read_file_header(s, bytes, options.limits)) return failed();
  if (int64_t(s.codec.image_width) != out.width || int64_t(s.codec.image_height) != out.height) {
    return broken_file(Format::kJpeg, "it has two sizes");
  }
  switch (s.codec.num_components) {
    case 1:
      facts.mode = Mode::kGrey, s.codec.out_color_space = JCS_GRAYSCALE;
      break;
    case 3:
      facts.mode = Mode::kRgb, s.codec.out_color_space = JCS_RGB;
      break;
    case 4:
      facts.mode = Mode::kCmyk, s.codec.out_color_space = JCS_CMYK;
      break;
    default:
      return broken_file(Format::kJpeg, "neither 1, 3 nor 4 colour components");
  }
  std::vector<uint8_t> scratch(size_t(out.width) * 4);
  if (!read_rows(s, out, scratch.data())) return failed();
  facts.damaged = s.errors.num_warnings > 0;
  return {};
}

}  // namespace ocelli::media
