// TIFF through libtiff: the first directory, strips or tiles, converted as Pillow does.
#include <tiffio.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "media/codecs.h"
#include "media/tiff_layout.h"

namespace ocelli::media {
namespace {

using base::Status;

struct Input {
  Bytes bytes;
  uint64_t at = 0;
  char message[160] = "";  // the first error
};

Input& input_of(thandle_t handle) {
  return *static_cast<Input*>(handle);
}

tmsize_t read_input(thandle_t handle, void* out, tmsize_t count) {
  Input& in = input_of(handle);
  if (count < 0 || in.at >= in.bytes.size()) return 0;
  const size_t n = std::min(size_t(count), size_t(in.bytes.size() - in.at));
  std::memcpy(out, in.bytes.data() + in.at, n);
  in.at += n;
  return tmsize_t(n);
}
tmsize_t write_nothing(thandle_t, void*, tmsize_t) {
  return 0;
}
toff_t seek_input(thandle_t handle, toff_t offset, int whence) {
  Input& in = input_of(handle);
  in.at = offset + (whence == SEEK_CUR ? in.at : whence == SEEK_END ? in.bytes.size() : 0);
  return in.at;
}
int close_nothing(thandle_t) {
  return 0;
}
toff_t size_of_input(thandle_t handle) {
  return input_of(handle).bytes.size();
}

int keep_first_error(TIFF*, void* user, const char*, const char* format, va_list arguments) {
  Input& in = *static_cast<Input*>(user);
  if (in.message[0] == '\0') std::vsnprintf(in.message, sizeof in.message, format, arguments);
  return 1;
}
int ignore_warning(TIFF*, void*, const char*, const char*, va_list) {
  return 1;
}

struct FreeOptions {
  void operator()(TIFFOpenOptions* options) const { TIFFOpenOptionsFree(options); }
};
struct CloseTiff {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using Tiff = std::unique_ptr<TIFF, CloseTiff>;

Tiff open_tiff(Input& input, const DecodeLimits& limits) {
  const std::unique_ptr<TIFFOpenOptions, FreeOptions> options(TIFFOpenOptionsAlloc());
  if (options == nullptr) return nullptr;
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), tmsize_t(limits.max_codec_bytes));
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), keep_first_error, &input);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), ignore_warning, nullptr);
  // 'r'ead, 'm'emory mapping off, 'c': strips as they are in the file.
  return Tiff(TIFFClientOpenExt("picture", "rmc", &input, read_input, write_nothing, seek_input,
                                close_nothing, size_of_input, nullptr, nullptr, options.get()));
}

uint8_t clipped(double value) {  // truncated; not a number is black
  return value >= 255 ? 255 : value > 0 ? uint8_t(value) : 0;
}

template <class T>
T number_at(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// Rows of decoded samples (native byte order, samples of a pixel side by side) to R, G, B.
class Converter {
 public:
  Converter(const TiffLayout& tiff, const DecodeOptions& options) : t_(tiff), options_(options) {
    const uint32_t entries = t_.bits <= 8 ? 1u << t_.bits : 0;
    for (uint32_t i = 0; i < entries; ++i) {
      for (size_t c = 0; c < 3; ++c) {
        const uint32_t grey = i * 255 / (entries - 1);
        table_[i * 3 + c] = t_.colours == TiffColours::kPalette       ? t_.palette[c * entries + i]
                            : t_.colours == TiffColours::kWhiteIsZero ? uint8_t(255 - grey)
                                                                      : uint8_t(grey);
      }
    }
  }

  void row(const uint8_t* in, size_t width, uint8_t* out) const {
    const bool colours = t_.colours == TiffColours::kRgb || t_.colours == TiffColours::kYcc ||
                         t_.colours == TiffColours::kCmyk;
    for (size_t x = 0; x < width; ++x, out += 3) {
      if (colours) {
        colour_pixel(in, x, out);
      } else if (t_.bits <= 8) {
        indexed_pixel(in, x, out);
      } else {
        out[0] = out[1] = out[2] = deep_grey(in, x);
      }
    }
  }

 private:
  void emit(const uint8_t (&rgba)[4], uint8_t* out) const {
    drop_or_blend(rgba, 1, options_.alpha, out);
  }

  void indexed_pixel(const uint8_t* in, size_t x, uint8_t* out) const {
    const uint8_t* entry = &table_[index_at(in, x) * 3];
    const uint8_t alpha = t_.extra == TiffExtra::kAlpha ? in[x * t_.samples + 1] : uint8_t{255};
    emit({entry[0], entry[1], entry[2], alpha}, out);
  }

  uint32_t index_at(const uint8_t* in, size_t x) const {
    if (t_.bits == 8) return in[x * t_.samples];
    const size_t per_byte = 8 / t_.bits;
    const size_t shift = 8 - t_.bits - (x % per_byte) * t_.bits;
    return (uint32_t{in[x / per_byte]} >> shift) & ((1u << t_.bits) - 1);
  }

  uint8_t deep_grey(const uint8_t* in, size_t x) const {
    const bool is_signed = t_.numbers == TiffNumbers::kSigned;
    if (t_.bits == 12) {
      const uint8_t* pair = in + x / 2 * 3;
      return narrow(x % 2 == 0 ? uint32_t(pair[0] << 4 | pair[1] >> 4)
                               : uint32_t((pair[1] & 15) << 8 | pair[2]));
    }
    if (t_.bits == 16) {
      return is_signed ? clipped(number_at<int16_t>(in + x * 2))
                       : narrow(number_at<uint16_t>(in + x * 2));
    }
    if (t_.numbers == TiffNumbers::kFloat) return clipped(double(number_at<float>(in + x * 4)));
    // Pillow keeps both kinds of integers in a signed one.
    return clipped(number_at<int32_t>(in + x * 4));
  }

  uint8_t narrow(uint32_t sample) const {
    if (options_.grey16 == Grey16::kScale) return uint8_t(sample >> (t_.bits - 8));
    return uint8_t(std::min(sample, 255u));
  }

  // One sample of 8 bits, or the upper half of one of 16.
  uint8_t sample(const uint8_t* in, size_t x, size_t which) const {
    const size_t at = x * t_.samples + which;
    return t_.bits == 16 ? uint8_t(number_at<uint16_t>(in + at * 2) >> 8) : in[at];
  }

  void colour_pixel(const uint8_t* in, size_t x, uint8_t* out) const {
    uint8_t p[4] = {sample(in, x, 0), sample(in, x, 1), sample(in, x, 2), 255};
    if (t_.colours == TiffColours::kCmyk) {
      const int light = 255 - sample(in, x, 3);
      for (size_t c = 0; c < 3; ++c) {
        const int product = p[c] * light + 128;
        out[c] = uint8_t(std::max(light - (((product >> 8) + product) >> 8), 0));
      }
      return;
    }
    if (t_.extra == TiffExtra::kAlpha || t_.extra == TiffExtra::kPremultiplied)
      p[3] = sample(in, x, 3);
    if (t_.extra == TiffExtra::kPremultiplied && p[3] != 255) {
      for (size_t c = 0; c < 3; ++c)
        p[c] = p[3] == 0 ? 0 : uint8_t(std::min(p[c] * 255 / p[3], 255));
    }
    emit(p, out);
  }

  const TiffLayout& t_;
  const DecodeOptions& options_;
  std::array<uint8_t, 256 * 3> table_ = {};
};

Mode mode_of(const TiffLayout& t) {
  const bool alpha = t.extra == TiffExtra::kAlpha || t.extra == TiffExtra::kPremultiplied;
  switch (t.colours) {
    case TiffColours::kRgb:
      return alpha ? Mode::kRgba : Mode::kRgb;
    case TiffColours::kYcc:
      return Mode::kRgb;
    case TiffColours::kCmyk:
      return Mode::kCmyk;
    case TiffColours::kPalette:
      return alpha ? Mode::kPaletteAlpha : Mode::kPalette;
    default:
      break;
  }
  if (t.bits == 1) return Mode::kBilevel;
  if (t.bits <= 8) return alpha ? Mode::kGreyAlpha : Mode::kGrey;
  if (t.bits <= 16 && t.numbers == TiffNumbers::kUnsigned)
    return t.big_endian ? Mode::kGrey16Big : Mode::kGrey16;
  return t.numbers == TiffNumbers::kFloat ? Mode::kFloat32 : Mode::kInt32;
}

// Reads blocks one after another through one buffer.
class BlockReader {
 public:
  BlockReader(TIFF* tiff, const TiffLayout& layout)
      : tiff_(tiff), t_(layout), planes_(layout.separate_planes ? layout.samples : 1) {
    const uint64_t samples = t_.separate_planes ? 1 : t_.samples;
    row_bytes_ = (uint64_t{t_.block_width} * samples * t_.bits + 7) / 8;
    plane_.resize(row_bytes_ * t_.block_height);
    if (planes_ > 1) joined_.resize(plane_.size() * planes_);
  }

  bool sizes_agree() const {
    const tmsize_t theirs = t_.tiled ? TIFFTileRowSize(tiff_) : TIFFScanlineSize(tiff_);
    return theirs >= 0 && uint64_t(theirs) == row_bytes_;
  }

  // The block that begins at (x, y), of which `rows` rows are wanted.
  bool read(uint32_t x, uint32_t y, uint32_t rows) {
    for (uint32_t p = 0; p < planes_; ++p) {
      const tmsize_t size = tmsize_t(row_bytes_ * (t_.tiled ? t_.block_height : rows));
      const tmsize_t got =
          t_.tiled ? TIFFReadEncodedTile(tiff_, TIFFComputeTile(tiff_, x, y, 0, uint16_t(p)),
                                         plane_.data(), size)
                   : TIFFReadEncodedStrip(tiff_, TIFFComputeStrip(tiff_, y, uint16_t(p)),
                                          plane_.data(), size);
      if (got != size) return false;
      if (planes_ == 1) continue;
      for (size_t i = 0; i < plane_.size(); ++i) joined_[i * planes_ + p] = plane_[i];
    }
    return true;
  }

  const uint8_t* row(uint32_t y) const {
    return planes_ > 1 ? joined_.data() + y * row_bytes_ * planes_ : plane_.data() + y * row_bytes_;
  }

 private:
  TIFF* tiff_;
  const TiffLayout& t_;
  const uint32_t planes_;
  uint64_t row_bytes_ = 0;
  std::vector<uint8_t> plane_, joined_;
};

}  // namespace

Status decode_tiff(std::span<const std::byte> bytes, const DecodeOptions& options,
                   const Canvas& out, ImageFacts& facts) {
  OCELLI_ASSIGN(const TiffLayout layout, read_tiff_layout(bytes));
  OCELLI_TRY(check_tiff_blocks(layout, options.limits));
  Input input{bytes};
  const Tiff tiff = open_tiff(input, options.limits);
  const auto failed = [&] {
    return broken_file(Format::kTiff,
                       input.message[0] != '\0' ? input.message : "it ends too early");
  };
  uint32_t width = 0, height = 0;
  if (tiff == nullptr || TIFFGetField(tiff.get(), TIFFTAG_IMAGEWIDTH, &width) != 1 ||
      TIFFGetField(tiff.get(), TIFFTAG_IMAGELENGTH, &height) != 1) {
    return failed();
  }
  if (int64_t(width) != out.width || int64_t(height) != out.height || layout.width != width ||
      layout.height != height || (TIFFIsTiled(tiff.get()) != 0) != layout.tiled) {
    return broken_file(Format::kTiff, "it has two sizes");
  }
  if (layout.colours == TiffColours::kYcc)
    TIFFSetField(tiff.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  BlockReader blocks(tiff.get(), layout);
  if (!blocks.sizes_agree()) return broken_file(Format::kTiff, "its rows have two sizes");
  facts.mode = mode_of(layout);
  facts.had_alpha = facts.mode == Mode::kRgba || facts.mode == Mode::kGreyAlpha ||
                    facts.mode == Mode::kPaletteAlpha;
  const Converter converter(layout, options);
  for (uint32_t y = 0; y < height; y += layout.block_height) {
    const uint32_t rows = std::min(layout.block_height, height - y);
    for (uint32_t x = 0; x < width; x += layout.block_width) {
      const uint32_t columns = std::min(layout.block_width, width - x);
      if (!blocks.read(x, y, rows)) return failed();
      for (uint32_t r = 0; r < rows; ++r)
        converter.row(blocks.row(r), columns, out.row(int(y + r)) + size_t(x) * 3);
    }
  }
  return {};
}

}  // namespace ocelli::media
