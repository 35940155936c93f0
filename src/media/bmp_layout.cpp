#include "media/bmp_layout.h"

#include <algorithm>
#include <array>
#include <string>

#include "media/codecs.h"

namespace ocelli::media {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

namespace {

constexpr size_t kFileHeaderBytes = 14;
enum : uint32_t { kRaw = 0, kRle8 = 1, kRle4 = 2, kBitFields = 3 };

// The fields of both forms of information header.
struct Info {
  uint32_t bytes = 0;  // of the information header
  uint32_t bits = 0, compression = kRaw, colours = 0;
  std::array<uint32_t, 4> masks = {};  // R, G, B, alpha
  size_t end = 0;                      // offset behind header and masks
};

base::Error unsupported(const char* what, uint32_t value) {
  return fail(Code::kBadInput, std::string("unsupported: BMP with ") + what + " (" +
                                   std::to_string(value) + "); save it as PNG");
}

base::Error too_short() {
  return broken_file(Format::kBmp, "it ends too early");
}

Status read_masks(Bytes b, Info& info) {
  if (info.bytes == 40) {
    if (b.size() - info.end < 12) return too_short();
    info.end += 12;
  }
  const size_t first = kFileHeaderBytes + 40, count = info.bytes >= 56 ? 4 : 3;
  // A 52-byte header has its three masks where the longer ones have them.
  for (size_t i = 0; i < count; ++i) info.masks[i] = little32(b, first + 4 * i);
  return {};
}

Result<Info> read_info(Bytes b, BmpLayout& out) {
  constexpr std::array<uint32_t, 6> kLong = {40, 52, 56, 64, 108, 124};
  if (b.size() < kFileHeaderBytes + 4) return too_short();
  const size_t at = kFileHeaderBytes;
  Info info;
  info.bytes = little32(b, at);
  const bool is_long = std::find(kLong.begin(), kLong.end(), info.bytes) != kLong.end();
  if (!is_long && info.bytes != 12) return unsupported("a header of this many bytes", info.bytes);
  if (b.size() - at < info.bytes) return too_short();
  info.end = at + info.bytes;
  if (!is_long) {
    out.width = little16(b, at + 4);
    out.height = little16(b, at + 6);
    info.bits = little16(b, at + 10);
    out.palette_step = 3;
    return info;
  }
  out.width = little32(b, at + 4);
  out.height = little32(b, at + 8);
  out.top_down = byte_at(b, at + 11) == 0xFF;
  if (out.top_down) out.height = 0 - out.height;
  info.bits = little16(b, at + 14);
  info.compression = little32(b, at + 16);
  info.colours = little32(b, at + 32);
  if (info.compression == kBitFields) OCELLI_TRY(read_masks(b, info));
  return info;
}

// Pillow knows these masks and no others.
Status read_bit_fields(const Info& info, BmpLayout& out) {
  struct Known {
    std::array<uint32_t, 4> masks;
    int8_t order[4];
  };
  constexpr Known kKnown32[] = {
      {{0xFF0000, 0xFF00, 0xFF, 0}, {2, 1, 0, -1}},
      {{0xFF000000, 0xFF0000, 0xFF00, 0}, {3, 2, 1, -1}},
      {{0xFF000000, 0xFF00, 0xFF, 0}, {3, 1, 0, -1}},
      {{0xFF000000, 0xFF0000, 0xFF00, 0xFF}, {3, 2, 1, 0}},
      {{0xFF, 0xFF00, 0xFF0000, 0xFF000000}, {0, 1, 2, 3}},
      {{0xFF0000, 0xFF00, 0xFF, 0xFF000000}, {2, 1, 0, 3}},
      {{0xFF000000, 0xFF00, 0xFF, 0xFF0000}, {3, 1, 0, 2}},
      {{0, 0, 0, 0}, {2, 1, 0, 3}},
  };
  const auto same = [&](uint32_t r, uint32_t g, uint32_t b) {
    return info.masks[0] == r && info.masks[1] == g && info.masks[2] == b;
  };
  if (info.bits == 24 && same(0xFF0000, 0xFF00, 0xFF)) return {};
  if (info.bits == 16 && same(0x7C00, 0x3E0, 0x1F)) return {};
  if (info.bits == 16 && same(0xF800, 0x7E0, 0x1F)) {
    out.pixels = BmpPixels::kBgr565;
    return {};
  }
  for (const Known& known : kKnown32) {
    if (info.bits != 32 || info.masks != known.masks) continue;
    std::copy_n(known.order, 4, out.order);
    if (known.order[3] >= 0) out.mode = Mode::kRgba;
    return {};
  }
  return unsupported("bit fields of this layout at this depth", info.bits);
}

// A palette that only says 0, 1, 2... (or black, white) is dropped, as in Pillow.
Status read_palette(Bytes b, const Info& info, uint32_t colours, BmpLayout& out) {
  constexpr uint32_t kMostColours = 256;
  if (colours == 0 || colours > kMostColours) return unsupported("a palette of this size", colours);
  out.palette = b.subspan(
      info.end, std::min<size_t>(size_t{colours} * out.palette_step, b.size() - info.end));
  bool grey = out.palette.size() == size_t{colours} * out.palette_step;
  for (uint32_t i = 0; grey && i < colours; ++i) {
    const uint32_t value = colours == 2 ? i * 255 : i;
    for (size_t c = 0; c < 3; ++c)
      grey = grey && byte_at(out.palette, i * out.palette_step + c) == value;
  }
  if (!grey) return {};
  out.mode = colours <= 2 ? Mode::kBilevel : Mode::kGrey;
  out.bits_per_pixel = colours <= 2 ? 1 : 8;
  return {};
}

}  // namespace

Result<BmpLayout> read_bmp_layout(Bytes b) {
  BmpLayout out;
  OCELLI_ASSIGN(const Info info, read_info(b, out));
  const bool indexed = info.bits == 1 || info.bits == 4 || info.bits == 8;
  if (!indexed && info.bits != 16 && info.bits != 24 && info.bits != 32)
    return unsupported("this many bits per pixel", info.bits);
  const uint32_t colours = info.colours != 0 ? info.colours : (indexed ? 1u << info.bits : 0);
  out.pixels_at = little32(b, 10);
  if (out.pixels_at == kFileHeaderBytes + info.bytes && indexed)
    out.pixels_at += uint64_t{colours} * out.palette_step;
  out.bits_per_pixel = info.bits;
  out.row_stride = ((uint64_t{out.width} * info.bits + 31) >> 3) & ~uint64_t{3};
  out.pixels =
      indexed ? BmpPixels::kIndexed : (info.bits == 16 ? BmpPixels::kBgr555 : BmpPixels::kBytes);
  out.mode = indexed ? Mode::kPalette : Mode::kRgb;
  out.run_lengths = info.compression == kRle8 || info.compression == kRle4;
  out.half_bytes = info.compression == kRle4;
  if (info.compression == kBitFields) {
    OCELLI_TRY(read_bit_fields(info, out));
  } else if (info.compression != kRaw && !(out.run_lengths && indexed)) {
    return unsupported("this compression", info.compression);
  }
  if (indexed) OCELLI_TRY(read_palette(b, info, colours, out));
  if (out.pixels_at == 0) out.pixels_at = info.end + out.palette.size();
  return out;
}

}  // namespace ocelli::media
