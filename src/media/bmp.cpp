// Windows bitmaps: unpacked and run-length pixels, as Pillow takes them.
#include <algorithm>
#include <array>
#include <vector>

#include "media/bmp_layout.h"
#include "media/codecs.h"

namespace ocelli::media {
namespace {

using base::Result;
using base::Status;

// The colours of an indexed picture; entries beyond the file's are black, as in Pillow.
using Palette = std::array<uint8_t, 256 * 3>;

Palette palette_of(const BmpLayout& bmp) {
  Palette rgb = {};
  for (size_t i = 0; i < 256; ++i) {
    for (size_t c = 0; c < 3; ++c) {
      const size_t at = i * bmp.palette_step + 2 - c;
      uint8_t value = 0;
      if (bmp.mode == Mode::kGrey) {
        value = uint8_t(i);
      } else if (bmp.mode == Mode::kBilevel) {
        value = i == 0 ? 0 : 255;
      } else if (at < bmp.palette.size()) {
        value = uint8_t(bmp.palette[at]);
      }
      rgb[i * 3 + c] = value;
    }
  }
  return rgb;
}

void indexed_row(const Palette& palette, uint32_t bits, const uint8_t* in, size_t width,
                 uint8_t* out) {
  const uint32_t per_byte = 8 / bits, mask = (1u << bits) - 1;
  for (size_t x = 0; x < width; ++x, out += 3) {
    const uint32_t shift = uint32_t(8 - bits - (x % per_byte) * bits);
    const uint32_t index = (in[x / per_byte] >> shift) & mask;
    std::copy_n(&palette[index * 3], 3, out);
  }
}

void short_row(BmpPixels kind, const uint8_t* in, size_t width, uint8_t* out) {
  const uint32_t green_max = kind == BmpPixels::kBgr565 ? 63 : 31;
  const int red_shift = kind == BmpPixels::kBgr565 ? 11 : 10;
  for (size_t x = 0; x < width; ++x, in += 2, out += 3) {
    const uint32_t pixel = in[0] | uint32_t(in[1]) << 8;
    out[0] = uint8_t(((pixel >> red_shift) & 31) * 255 / 31);
    out[1] = uint8_t(((pixel >> 5) & green_max) * 255 / green_max);
    out[2] = uint8_t((pixel & 31) * 255 / 31);
  }
}

void byte_row(const BmpLayout& bmp, Alpha alpha, const uint8_t* in, size_t width, uint8_t* out) {
  const size_t step = bmp.bits_per_pixel / 8;
  const auto& order = bmp.order;
  for (size_t x = 0; x < width; ++x, in += step, out += 3) {
    const uint8_t rgba[4] = {in[order[0]], in[order[1]], in[order[2]],
                             order[3] < 0 ? uint8_t{255} : in[order[3]]};
    drop_or_blend(rgba, 1, alpha, out);
  }
}

base::Error too_short() {
  return broken_file(Format::kBmp, "it ends too early");
}

Status decode_rows(Bytes bytes, const BmpLayout& bmp, Alpha alpha, const Canvas& out) {
  const Palette palette = palette_of(bmp);
  const size_t width = size_t(out.width), height = size_t(out.height);
  const uint64_t row_bytes = (uint64_t{bmp.bits_per_pixel} * width + 7) / 8;
  if (row_bytes > bmp.row_stride) return broken_file(Format::kBmp, "a palette of odd greys");
  const uint64_t needed = bmp.row_stride * (height - 1) + row_bytes;
  if (bmp.pixels_at > bytes.size() || needed > bytes.size() - bmp.pixels_at) return too_short();
  const auto* in = reinterpret_cast<const uint8_t*>(bytes.data()) + bmp.pixels_at;
  for (size_t y = 0; y < height; ++y) {
    const uint8_t* row = in + y * bmp.row_stride;
    uint8_t* target = out.row(int(bmp.top_down ? y : height - 1 - y));
    if (bmp.pixels == BmpPixels::kIndexed) {
      indexed_row(palette, bmp.bits_per_pixel, row, width, target);
    } else if (bmp.pixels == BmpPixels::kBytes) {
      byte_row(bmp, alpha, row, width, target);
    } else {
      short_row(bmp.pixels, row, width, target);
    }
  }
  return {};
}

// Codes of two bytes: a count and a colour; or 0 and 0 (end of row), 1 (end of the picture),
// 2 (skip ahead by two more bytes: columns, rows) or a count of literal colours, padded to even
// offsets of the file. Colours go into one long line of width * height, as in Pillow; false where
// they do not fill it.
class RunLengths {
 public:
  RunLengths(Bytes file, const BmpLayout& bmp, std::span<uint8_t> indices)
      : file_(file),
        at_(std::min<uint64_t>(bmp.pixels_at, file.size())),
        width_(bmp.width),
        half_bytes_(bmp.half_bytes),
        out_(indices) {}

  bool decode() {
    while (filled_ < out_.size() && file_.size() - at_ >= 2) {
      const uint32_t count = byte_at(file_, at_), value = byte_at(file_, at_ + 1);
      at_ += 2;
      if (count > 0) {
        repeat(count, value);
      } else if (value == 0) {
        put_zeros((width_ - filled_ % width_) % width_);
        column_ = 0;
      } else if (value == 1) {
        break;
      } else if (value == 2 ? !skip() : !copy(value)) {
        break;
      }
    }
    return filled_ >= out_.size();
  }

 private:
  void put(uint32_t index) {
    if (filled_ < out_.size()) out_[filled_++] = uint8_t(index);
  }
  void put_zeros(size_t count) {
    for (; count > 0; --count) put(0);
  }
  void repeat(uint32_t count, uint32_t value) {
    if (column_ + count > width_) count = column_ < width_ ? uint32_t(width_ - column_) : 0;
    for (uint32_t i = 0; i < count; ++i)
      put(!half_bytes_ ? value : (i % 2 == 0 ? value >> 4 : value & 15));
    column_ += count;
  }
  bool skip() {
    if (file_.size() - at_ < 2) return false;
    const size_t right = byte_at(file_, at_), up = byte_at(file_, at_ + 1);
    at_ += 2;
    put_zeros(std::min(out_.size() - filled_, right + up * width_));
    column_ = filled_ % width_;
    return true;
  }
  bool copy(uint32_t stated) {
    const size_t count = std::min<size_t>(out_.size() - filled_, stated);
    const size_t length = half_bytes_ ? (count + 1) / 2 : count;
    if (file_.size() - at_ < length) return false;
    for (size_t i = 0; i < count; ++i) {
      const uint32_t byte = byte_at(file_, at_ + (half_bytes_ ? i / 2 : i));
      put(!half_bytes_ ? byte : (i % 2 == 0 ? byte >> 4 : byte & 15));
    }
    at_ += length;
    column_ += stated;
    at_ = std::min(at_ + at_ % 2, file_.size());
    return true;
  }

  const Bytes file_;
  size_t at_;
  const size_t width_;
  const bool half_bytes_;
  const std::span<uint8_t> out_;
  size_t filled_ = 0, column_ = 0;
};

Status decode_run_lengths(Bytes bytes, const BmpLayout& bmp, const Canvas& out) {
  const size_t width = size_t(out.width), height = size_t(out.height);
  std::vector<uint8_t> indices(width * height);
  if (!RunLengths(bytes, bmp, indices).decode()) return too_short();
  const Palette palette = palette_of(bmp);
  for (size_t y = 0; y < height; ++y) {
    indexed_row(palette, 8, indices.data() + y * width, width,
                out.row(int(bmp.top_down ? y : height - 1 - y)));
  }
  return {};
}

}  // namespace

Status decode_bmp(std::span<const std::byte> bytes, const DecodeOptions& options, const Canvas& out,
                  ImageFacts& facts) {
  OCELLI_ASSIGN(const BmpLayout bmp, read_bmp_layout(bytes));
  if (int64_t(bmp.width) != out.width || int64_t(bmp.height) != out.height)
    return broken_file(Format::kBmp, "it has two sizes");
  facts.mode = bmp.mode;
  facts.had_alpha = bmp.mode == Mode::kRgba;
  if (bmp.run_lengths) return decode_run_lengths(bytes, bmp, out);
  return decode_rows(bytes, bmp, options.alpha, out);
}

}  // namespace ocelli::media
