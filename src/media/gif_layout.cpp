#include "media/gif_layout.h"

#include <algorithm>

#include "media/codecs.h"

namespace ocelli::media {

using base::Result;

namespace {

constexpr uint32_t kHasPalette = 0x80, kInterlaced = 0x40;
constexpr uint32_t kGraphicControl = 0xF9, kIsTransparent = 0x01;

constexpr size_t palette_bytes(uint32_t flags) {
  return size_t{3} << ((flags & 7) + 1);
}

base::Error too_short() {
  return broken_file(Format::kGif, "it ends too early");
}

// Behind the data blocks that begin at `at`, without their empty last one; nothing where a block is
// cut short. A file that ends between two blocks is accepted here: it may hold all pixels.
std::optional<size_t> end_of_blocks(Bytes b, size_t at) {
  while (at < b.size() && byte_at(b, at) != 0) {
    const size_t next = at + 1 + byte_at(b, at);
    if (next > b.size()) return std::nullopt;
    at = next;
  }
  return at;
}

Result<size_t> read_frame(Bytes b, size_t at, GifLayout& gif) {
  constexpr size_t kDescriptorBytes = 10;
  if (b.size() - at < kDescriptorBytes) return too_short();
  gif.left = little16(b, at + 1);
  gif.top = little16(b, at + 3);
  gif.frame_width = little16(b, at + 5);
  gif.frame_height = little16(b, at + 7);
  gif.width = std::max(gif.width, gif.left + gif.frame_width);
  gif.height = std::max(gif.height, gif.top + gif.frame_height);
  const uint32_t flags = byte_at(b, at + 9);
  gif.interlaced = (flags & kInterlaced) != 0;
  size_t data = at + kDescriptorBytes;
  if ((flags & kHasPalette) != 0) {
    if (b.size() - data < palette_bytes(flags)) return too_short();
    gif.local_palette = b.subspan(data, palette_bytes(flags));
    data += palette_bytes(flags);
  }
  if (data >= b.size()) return too_short();
  const auto end = end_of_blocks(b, data + 1);  // behind the code size
  if (!end) return too_short();
  gif.frame = b.subspan(at, *end - at);
  return *end;
}

}  // namespace

Result<GifLayout> read_gif_layout(Bytes b) {
  constexpr size_t kScreenBytes = 13;
  if (b.size() < kScreenBytes) return too_short();
  GifLayout gif;
  gif.width = little16(b, 6);
  gif.height = little16(b, 8);
  const uint32_t flags = byte_at(b, 10);
  size_t at = kScreenBytes;
  if ((flags & kHasPalette) != 0) {
    if (b.size() - at < palette_bytes(flags)) return too_short();
    gif.global_palette = b.subspan(at, palette_bytes(flags));
    at += palette_bytes(flags);
  }
  while (at < b.size() && byte_at(b, at) != ';') {
    const uint32_t kind = byte_at(b, at);
    if (kind == ',' && !gif.frame.empty()) {
      gif.animated = true;
      break;
    }
    if (kind == ',') {
      OCELLI_ASSIGN(at, read_frame(b, at, gif));
    } else if (kind == '!') {
      if (b.size() - at < 3) break;
      if (byte_at(b, at + 1) == kGraphicControl && byte_at(b, at + 2) >= 4 && b.size() - at >= 7 &&
          (byte_at(b, at + 3) & kIsTransparent) != 0 && gif.frame.empty()) {
        gif.transparent = uint8_t(byte_at(b, at + 6));
      }
      const auto end = end_of_blocks(b, at + 2);
      if (!end) break;
      at = *end;
    }
    ++at;  // the empty block, or a stray byte, which Pillow skips too
  }
  if (gif.frame.empty()) return broken_file(Format::kGif, "it ends before the picture");
  return gif;
}

}  // namespace ocelli::media
