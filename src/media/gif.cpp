// GIF through giflib, the first frame only. giflib sees just the screen and that frame (its block
// structure checked by gif_layout.h): extensions and later frames are never parsed by it.
#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "media/codecs.h"
#include "media/gif_layout.h"

namespace ocelli::media {
namespace {

constexpr size_t kScreenBytes = 13;

struct Input {
  std::vector<uint8_t> bytes;
  size_t at = 0;
};

int read_input(GifFileType* gif, GifByteType* out, int count) {
  Input& input = *static_cast<Input*>(gif->UserData);
  const size_t n = std::min(size_t(std::max(count, 0)), input.bytes.size() - input.at);
  if (n > 0) std::memcpy(out, input.bytes.data() + input.at, n);
  input.at += n;
  return int(n);
}

struct CloseGif {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};
using Gif = std::unique_ptr<GifFileType, CloseGif>;

// The screen without its palette, the frame, and the empty block that Pillow can do without.
Input input_of(Bytes file, const GifLayout& layout) {
  Input input;
  input.bytes.resize(kScreenBytes + layout.frame.size() + 1);  // the last byte stays 0
  std::memcpy(input.bytes.data(), file.data(), kScreenBytes);
  input.bytes[10] &= 0x7F;  // no global palette
  std::memcpy(input.bytes.data() + kScreenBytes, layout.frame.data(), layout.frame.size());
  return input;
}

struct Palette {
  std::array<uint8_t, 256 * 3> rgb = {};  // entries beyond the file's are black, as in Pillow
  bool grey = false;
};

bool is_ramp(Bytes palette) {  // 0, 1, 2... or nothing
  for (size_t i = 0; i < palette.size(); ++i)
    if (byte_at(palette, i) != i / 3) return false;
  return true;
}

// Pillow drops palettes that are a ramp and calls the picture grey; where the dropped one is the
// frame's own, the file's colours show nevertheless.
Palette palette_of(const GifLayout& layout) {
  const Bytes own = layout.local_palette.empty() ? layout.global_palette : layout.local_palette;
  const Bytes shown = is_ramp(own) ? layout.global_palette : own;
  Palette palette;
  palette.grey = is_ramp(own);
  const bool no_colours = is_ramp(shown);
  for (size_t i = 0; i < palette.rgb.size(); ++i) {
    if (no_colours) {
      palette.rgb[i] = uint8_t(i / 3);
    } else if (i < shown.size()) {
      palette.rgb[i] = uint8_t(shown[i]);
    }
  }
  return palette;
}

void fill_row(const GifLayout& layout, const Palette& palette, Alpha alpha, const uint8_t* in,
              size_t width, uint8_t* out) {
  for (size_t x = 0; x < width; ++x, out += 3) {
    const bool hidden = layout.transparent == in[x] && alpha == Alpha::kWhite;
    for (size_t c = 0; c < 3; ++c) out[c] = hidden ? 255 : palette.rgb[size_t(in[x]) * 3 + c];
  }
}

base::Error damaged(const GifFileType* gif) {
  const char* reason = GifErrorString(gif->Error);
  return broken_file(Format::kGif, reason == nullptr ? "damaged data" : reason);
}

base::Status read_rows(GifFileType* gif, const GifLayout& layout, const Palette& palette,
                       Alpha alpha, const Canvas& out) {
  struct Pass {
    uint32_t first, step;
  };
  constexpr Pass kInterlaced[] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}}, kPlain[] = {{0, 1}};
  std::vector<uint8_t> row(layout.frame_width);
  for (const Pass& pass : layout.interlaced ? std::span<const Pass>(kInterlaced) : kPlain) {
    for (uint32_t y = pass.first; y < layout.frame_height; y += pass.step) {
      if (DGifGetLine(gif, row.data(), int(row.size())) != GIF_OK) return damaged(gif);
      fill_row(layout, palette, alpha, row.data(), row.size(),
               out.row(int(layout.top + y)) + size_t(layout.left) * 3);
    }
  }
  return {};
}

}  // namespace

base::Status decode_gif(std::span<const std::byte> bytes, const DecodeOptions& options,
                        const Canvas& out, ImageFacts& facts) {
  OCELLI_ASSIGN(const GifLayout layout, read_gif_layout(bytes));
  if (int64_t(layout.width) != out.width || int64_t(layout.height) != out.height)
    return broken_file(Format::kGif, "it has two sizes");
  if (layout.frame_width == 0 || layout.frame_height == 0)
    return broken_file(Format::kGif, "its first frame has no pixels");
  const Palette palette = palette_of(layout);
  facts.mode = palette.grey ? Mode::kGrey : Mode::kPalette;
  facts.had_alpha = layout.transparent.has_value();
  // What the frame leaves uncovered has the transparent colour, or else the first.
  const std::vector<uint8_t> around(size_t(out.width), layout.transparent.value_or(0));
  for (int y = 0; y < out.height; ++y)
    fill_row(layout, palette, options.alpha, around.data(), around.size(), out.row(y));

  Input input = input_of(bytes, layout);
  int error = 0;
  const Gif gif(DGifOpen(&input, read_input, &error));
  if (gif == nullptr) {
    const char* reason = GifErrorString(error);
    return broken_file(Format::kGif, reason == nullptr ? "damaged data" : reason);
  }
  GifRecordType record = UNDEFINED_RECORD_TYPE;
  if (DGifGetRecordType(gif.get(), &record) != GIF_OK || record != IMAGE_DESC_RECORD_TYPE ||
      DGifGetImageDesc(gif.get()) != GIF_OK) {
    return damaged(gif.get());
  }
  OCELLI_TRY(read_rows(gif.get(), layout, palette, options.alpha, out));
  if (layout.transparent && options.alpha == Alpha::kDrop) {
    const uint32_t index = *layout.transparent;
    const uint8_t* rgb = &palette.rgb[size_t{index} * 3];
    whiten(out, palette.grey ? index * 0x010101
                             : uint32_t{rgb[0]} << 16 | uint32_t{rgb[1]} << 8 | rgb[2]);
  }
  return {};
}

}  // namespace ocelli::media
