// PNG through libpng. Only IHDR, PLTE, tRNS and IDAT are interpreted: gamma and profiles are
// ignored, as Pillow does, and compressed text is never unpacked.
#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>
#include <vector>

#include "media/codecs.h"

namespace ocelli::media {
namespace {

constexpr png_alloc_size_t kMaxChunkBytes = 8 << 20;
constexpr png_uint_32 kMaxStoredChunks = 16;
constexpr size_t kMostBehind = 64 << 10;  // of packed data behind the last row, beside the row

// libpng reports errors by a jump. Everything it jumps over is plain data: the functions that call
// setjmp hold no object with a destructor.
struct Session {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::span<const std::byte> input;
  size_t at = 0;
  char message[128] = "";

  ~Session() { png_destroy_read_struct(&png, &info, nullptr); }
};

[[noreturn]] void stop_with_error(png_structp png, png_const_charp message) {
  Session& s = *static_cast<Session*>(png_get_error_ptr(png));
  std::strncpy(s.message, message, sizeof s.message - 1);
  png_longjmp(png, 1);
}

void ignore_warning(png_structp, png_const_charp) {}

void read_input(png_structp png, png_bytep out, size_t count) {
  Session& s = *static_cast<Session*>(png_get_io_ptr(png));
  if (count > s.input.size() - s.at) png_error(png, "it ends too early");
  std::memcpy(out, s.input.data() + s.at, count);
  s.at += count;
}

enum class Layout { kRgb, kRgba, kGrey, kGreyAlpha, kGrey16, kGrey16Alpha, kPalette };

// How rows come out of libpng, and what the file had.
struct Plan {
  Layout layout = Layout::kRgb;
  Mode mode = Mode::kRgb;
  bool had_alpha = false;
  size_t row_bytes = 0;
  int passes = 1;
  int hidden = -1;  // the one transparent colour, 0xRRGGBB, where Pillow knows one
  std::array<uint8_t, 256 * 3> palette = {};  // entries beyond the file's are black, as in Pillow
  std::array<uint8_t, 256> palette_alpha = {};
};

Mode mode_of(int colour, int depth) {  // Pillow's names for PNG's kinds
  switch (colour) {
    case PNG_COLOR_TYPE_GRAY:
      return depth == 16 ? Mode::kGrey16 : depth == 1 ? Mode::kBilevel : Mode::kGrey;
    case PNG_COLOR_TYPE_GRAY_ALPHA:
      return depth == 16 ? Mode::kRgba : Mode::kGreyAlpha;
    case PNG_COLOR_TYPE_PALETTE:
      return Mode::kPalette;
    case PNG_COLOR_TYPE_RGB_ALPHA:
      return Mode::kRgba;
    default:
      return Mode::kRgb;
  }
}

void read_palette(Session& s, Plan& plan) {
  png_colorp entries = nullptr;
  int count = 0;
  if (png_get_PLTE(s.png, s.info, &entries, &count) == 0) png_error(s.png, "no palette");
  for (int i = 0; i < std::min(count, 256); ++i) {
    plan.palette[size_t(i) * 3] = entries[i].red;
    plan.palette[size_t(i) * 3 + 1] = entries[i].green;
    plan.palette[size_t(i) * 3 + 2] = entries[i].blue;
  }
  plan.palette_alpha.fill(255);
  png_bytep alphas = nullptr;
  count = 0;
  png_get_tRNS(s.png, s.info, &alphas, &count, nullptr);
  for (int i = 0; alphas != nullptr && i < std::min(count, 256); ++i)
    plan.palette_alpha[size_t(i)] = alphas[i];
}

// Pillow reduces tRNS to one colour where it can: a palette with one fully transparent entry and no
// others; and, misreading depths other than 8, the low bytes of a grey or RGB value.
int hidden_colour(Session& s, int colour, int depth, const Plan& plan) {
  png_bytep alphas = nullptr;
  png_color_16p value = nullptr;
  int count = 0;
  if (png_get_tRNS(s.png, s.info, &alphas, &count, &value) == 0) return -1;
  if (colour == PNG_COLOR_TYPE_PALETTE) {
    int index = -1;
    for (int i = 0; i < std::min(count, 256); ++i) {
      if (alphas[i] == 255) continue;
      if (alphas[i] != 0 || index >= 0) return -1;
      index = i;
    }
    const uint8_t* rgb = &plan.palette[size_t(std::max(index, 0)) * 3];
    return index < 0 ? -1 : rgb[0] << 16 | rgb[1] << 8 | rgb[2];
  }
  if (value == nullptr) return -1;
  if (colour == PNG_COLOR_TYPE_RGB)
    return (value->red & 255) << 16 | (value->green & 255) << 8 | (value->blue & 255);
  if (depth == 16) return (value->gray & 255) << 16;
  if (depth == 1) return value->gray != 0 ? 0xFF0000 : 0;
  return std::min<int>(value->gray, 255) * 0x010101;
}

Layout layout_of(Session& s, int colour, int depth, bool expand_transparency) {
  const bool keep_16 = colour == PNG_COLOR_TYPE_GRAY && depth == 16;
  if (depth == 16 && !keep_16) png_set_strip_16(s.png);  // the high byte, as Pillow
  if (colour == PNG_COLOR_TYPE_PALETTE) {
    png_set_packing(s.png);
    return Layout::kPalette;
  }
  if (colour == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(s.png);
  if (expand_transparency) png_set_tRNS_to_alpha(s.png);
  if (colour == PNG_COLOR_TYPE_GRAY_ALPHA) return Layout::kGreyAlpha;
  if (colour == PNG_COLOR_TYPE_RGB_ALPHA) return Layout::kRgba;
  if (colour == PNG_COLOR_TYPE_RGB) return expand_transparency ? Layout::kRgba : Layout::kRgb;
  if (keep_16) return expand_transparency ? Layout::kGrey16Alpha : Layout::kGrey16;
  return expand_transparency ? Layout::kGreyAlpha : Layout::kGrey;
}

bool read_file_header(Session& s, const DecodeOptions& options, Plan& plan) {
  s.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &s, stop_with_error, ignore_warning);
  if (s.png == nullptr) return false;
  if (setjmp(png_jmpbuf(s.png)) != 0) return false;
  s.info = png_create_info_struct(s.png);
  if (s.info == nullptr) png_error(s.png, "no memory");
  png_set_read_fn(s.png, &s, read_input);
  png_set_user_limits(s.png, png_uint_32(options.limits.max_side),
                      png_uint_32(options.limits.max_side));
  png_set_chunk_malloc_max(s.png, kMaxChunkBytes);
  png_set_chunk_cache_max(s.png, kMaxStoredChunks);
  png_set_crc_action(s.png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_set_keep_unknown_chunks(s.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(s.png, s.info);
  const int colour = png_get_color_type(s.png, s.info), depth = png_get_bit_depth(s.png, s.info);
  const bool transparent_colour = png_get_valid(s.png, s.info, PNG_INFO_tRNS) != 0;
  plan.mode = mode_of(colour, depth);
  plan.had_alpha = (colour & PNG_COLOR_MASK_ALPHA) != 0 || transparent_colour;
  if (colour == PNG_COLOR_TYPE_PALETTE) read_palette(s, plan);
  if (transparent_colour) plan.hidden = hidden_colour(s, colour, depth, plan);
  plan.layout = layout_of(s, colour, depth, transparent_colour && options.alpha != Alpha::kDrop);
  plan.passes = png_set_interlace_handling(s.png);
  png_read_update_info(s.png, s.info);
  plan.row_bytes = png_get_rowbytes(s.png, s.info);
  return true;
}

uint8_t narrow(const uint8_t* big_endian, Grey16 how) {
  if (how == Grey16::kScale || big_endian[0] == 0) return big_endian[how == Grey16::kScale ? 0 : 1];
  return 255;
}

// One row of `width` pixels as libpng gave it to R, G, B.
void convert_row(const Plan& plan, const DecodeOptions& options, const uint8_t* in, size_t width,
                 uint8_t* out) {
  const auto grey = [&](size_t x, uint8_t sample, uint8_t alpha) {
    const uint8_t value = options.alpha == Alpha::kWhite ? over_white(sample, alpha) : sample;
    out[x * 3] = out[x * 3 + 1] = out[x * 3 + 2] = value;
  };
  switch (plan.layout) {
    case Layout::kRgb:
      std::memmove(out, in, width * 3);
      return;
    case Layout::kRgba:
      drop_or_blend(in, width, options.alpha, out);
      return;
    case Layout::kGrey:
      for (size_t x = 0; x < width; ++x) grey(x, in[x], 255);
      return;
    case Layout::kGreyAlpha:
      for (size_t x = 0; x < width; ++x) grey(x, in[x * 2], in[x * 2 + 1]);
      return;
    case Layout::kGrey16:
      for (size_t x = 0; x < width; ++x) grey(x, narrow(in + x * 2, options.grey16), 255);
      return;
    case Layout::kGrey16Alpha:
      for (size_t x = 0; x < width; ++x) grey(x, narrow(in + x * 4, options.grey16), in[x * 4 + 2]);
      return;
    case Layout::kPalette:
      for (size_t x = 0; x < width; ++x) {
        const uint8_t* entry = &plan.palette[size_t(in[x]) * 3];
        const uint8_t rgba[4] = {entry[0], entry[1], entry[2], plan.palette_alpha[in[x]]};
        drop_or_blend(rgba, 1, options.alpha, out + x * 3);
      }
  }
}

// Bytes of picture data from `at` on, in chunks that follow each other.
size_t data_left(std::span<const std::byte> file, size_t at) {
  constexpr size_t kMagic = 8, kAround = 12;  // length, name and sum of a chunk
  size_t left = 0;
  for (size_t chunk = kMagic; chunk + kAround <= file.size();) {
    const auto* p = reinterpret_cast<const uint8_t*>(file.data()) + chunk;
    const size_t length = size_t(p[0]) << 24 | size_t(p[1]) << 16 | size_t(p[2]) << 8 | p[3];
    const size_t end = chunk + kAround + std::min(length, file.size() - chunk - kAround);
    if (std::memcmp(p + 4, "IDAT", 4) == 0 && end > at) left += end - std::max(at, chunk);
    chunk = end;
  }
  return left;
}

// Rows as they come; `scratch` holds one row, or all of them for an interlaced file.
bool read_rows(Session& s, const Plan& plan, const DecodeOptions& options, uint8_t* scratch,
               const Canvas& out) {
  if (setjmp(png_jmpbuf(s.png)) != 0) return false;
  const size_t width = size_t(out.width);
  for (int pass = 0; pass < plan.passes; ++pass) {
    for (int y = 0; y < out.height; ++y) {
      uint8_t* row = scratch + (plan.passes == 1 ? 0 : size_t(y) * plan.row_bytes);
      // Behind the last row libpng unpacks what is left, however much that is: minutes for 20 MB.
      if (pass + 1 == plan.passes && y + 1 == out.height &&
          data_left(s.input, s.at) > 2 * plan.row_bytes + kMostBehind) {
        png_error(s.png, "it holds more data than pixels");
      }
      png_read_row(s.png, row, nullptr);
      if (pass + 1 == plan.passes) convert_row(plan, options, row, width, out.row(y));
    }
  }
  png_read_end(s.png, nullptr);
  return true;
}

}  // namespace

base::Status decode_png(std::span<const std::byte> bytes, const DecodeOptions& options,
                        const Canvas& out, ImageFacts& facts) {
  Session s;
  s.input = bytes;
  Plan plan;
  if (!read_file_header(s, options, plan)) return broken_file(Format::kPng, s.message);
  if (int64_t(png_get_image_width(s.png, s.info)) != out.width ||
      int64_t(png_get_image_height(s.png, s.info)) != out.height) {
    return broken_file(Format::kPng, "it has two sizes");
  }
  facts.mode = plan.mode;
  facts.had_alpha = plan.had_alpha;
  std::vector<uint8_t> scratch(plan.row_bytes * size_t(plan.passes == 1 ? 1 : out.height));
  if (!read_rows(s, plan, options, scratch.data(), out))
    return broken_file(Format::kPng, s.message);
  if (options.alpha == Alpha::kDrop && plan.hidden >= 0) whiten(out, uint32_t(plan.hidden));
  return {};
}

}  // namespace ocelli::media
