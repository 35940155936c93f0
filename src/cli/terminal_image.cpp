#include "cli/terminal_image.h"

#include <sixel.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>

#include "base/base64.h"
#include "base/check.h"
#include "media/encode.h"
#include "media/limits.h"
#include "media/resample.h"

namespace ocelli::cli {

using base::Code;
using base::Result;

namespace {

constexpr std::pair<Protocol, std::string_view> kNames[] = {{Protocol::kNone, "none"},
                                                            {Protocol::kKitty, "kitty"},
                                                            {Protocol::kIterm, "iterm"},
                                                            {Protocol::kSixel, "sixel"},
                                                            {Protocol::kBlocks, "blocks"}};
constexpr size_t kKittyChunk =
    4096;  // bytes of base64 in one escape sequence: the protocol's limit
constexpr int kMostColumns = 200, kMostRows = 100, kMostCellSide = 64;
constexpr int kMostPixels = 1 << 20;

// tmux hands on what stands in its own sequence, with each ESC doubled.
std::string passthrough(std::string_view sequence) {
  std::string out = "\033Ptmux;";
  for (const char c : sequence) {
    if (c == '\033') out += c;
    out += c;
  }
  return out + "\033\\";
}

std::string wrapped(std::string sequence, const ImageStyle& style) {
  return style.tmux ? passthrough(sequence) : sequence;
}

Result<std::string> png_text(const media::Image& image) {
  OCELLI_ASSIGN(const std::vector<std::byte> png, media::encode_png(image));
  return base::encode_base64(png);
}

// a=T: send and show; f=100: PNG; q=2: no answers, which would look like typed text.
Result<std::string> kitty(const media::Image& image, CellSize cells, const ImageStyle& style) {
  OCELLI_ASSIGN(const std::string text, png_text(image));
  std::string out;
  for (size_t at = 0; at < text.size(); at += kKittyChunk) {
    const bool last = at + kKittyChunk >= text.size();
    std::string sequence = "\033_G";
    if (at == 0) {
      sequence += "a=T,f=100,q=2,c=" + std::to_string(cells.columns) +
                  ",r=" + std::to_string(cells.rows) + ",";
    }
    sequence += last ? "m=0;" : "m=1;";
    sequence += text.substr(at, kKittyChunk);
    out += wrapped(sequence + "\033\\", style);
  }
  return out + "\n";
}

Result<std::string> iterm(const media::Image& image, CellSize cells, const ImageStyle& style) {
  OCELLI_ASSIGN(const std::string text, png_text(image));
  return wrapped("\033]1337;File=inline=1;size=" + std::to_string(text.size() / 4 * 3) + ";width=" +
                     std::to_string(cells.columns) + ";height=" + std::to_string(cells.rows) +
                     ";preserveAspectRatio=1:" + text + "\a",
                 style) +
         "\n";
}

struct SixelRelease {
  void operator()(sixel_dither_t* p) const { sixel_dither_unref(p); }
  void operator()(sixel_output_t* p) const { sixel_output_unref(p); }
};

int append_sixels(char* data, int size, void* text) {
  static_cast<std::string*>(text)->append(data, size_t(size));
  return size;
}

Result<std::string> sixel(media::Image image) {
  const auto failed = [] {
    return base::fail(Code::kDoesNotFit, "the picture cannot be drawn; use --images blocks");
  };
  std::string text;
  sixel_dither_t* dither = nullptr;
  sixel_output_t* output = nullptr;
  if (SIXEL_FAILED(sixel_dither_new(&dither, 256, nullptr))) return failed();
  const std::unique_ptr<sixel_dither_t, SixelRelease> keep_dither(dither);
  if (SIXEL_FAILED(sixel_output_new(&output, append_sixels, &text, nullptr))) return failed();
  const std::unique_ptr<sixel_output_t, SixelRelease> keep_output(output);
  if (SIXEL_FAILED(sixel_dither_initialize(dither, image.rgb.data(), image.width, image.height,
                                           SIXEL_PIXELFORMAT_RGB888, SIXEL_LARGE_NORM,
                                           SIXEL_REP_AVERAGE_PIXELS, SIXEL_QUALITY_HIGH)))
    return failed();
  if (SIXEL_FAILED(sixel_encode(image.rgb.data(), image.width, image.height, 3, dither, output)))
    return failed();
  return text + "\n";
}

// The nearest of xterm's colours 16-255: a cube of 6 levels a side, and 24 greys.
int xterm_colour(const uint8_t* rgb) {
  constexpr int kLevels[] = {0, 95, 135, 175, 215, 255};
  int cube = 0, cube_error = 0, sum = 0;
  for (int i = 0; i < 3; ++i) {
    int best = 0;
    for (int k = 1; k < 6; ++k) {
      if (std::abs(kLevels[k] - rgb[i]) < std::abs(kLevels[best] - rgb[i])) best = k;
    }
    cube = cube * 6 + best;
    cube_error += (kLevels[best] - rgb[i]) * (kLevels[best] - rgb[i]);
    sum += rgb[i];
  }
  const int grey = std::clamp((sum / 3 - 3) / 10, 0, 23);
  int grey_error = 0;
  for (int i = 0; i < 3; ++i) grey_error += (8 + 10 * grey - rgb[i]) * (8 + 10 * grey - rgb[i]);
  return grey_error < cube_error ? 232 + grey : 16 + cube;
}

// ";38;2;R;G;B" or ";38;5;N" ("48" for the background).
std::string colour(int which, const uint8_t* rgb, bool truecolor) {
  std::string out = ";" + std::to_string(which);
  if (!truecolor) return out + ";5;" + std::to_string(xterm_colour(rgb));
  out += ";2";
  for (int i = 0; i < 3; ++i) out += ";" + std::to_string(rgb[i]);
  return out;
}

std::string blocks(const media::Image& image, bool truecolor) {
  std::string out;
  for (int y = 0; y < image.height; y += 2) {
    std::string last;
    for (int x = 0; x < image.width; ++x) {
      std::string codes = colour(38, image.row(y) + size_t(x) * 3, truecolor);
      // Below the last row of an odd number of rows: the terminal's own background.
      codes +=
          y + 1 < image.height ? colour(48, image.row(y + 1) + size_t(x) * 3, truecolor) : ";49";
      if (codes != last) out += "\033[" + codes.substr(1) + "m";
      last = std::move(codes);
      out += "\xe2\x96\x80";
    }
    out += "\033[0m\n";
  }
  return out;
}

// Limits against a terminal that claims nonsense.
ImageStyle bounded(ImageStyle style) {
  style.columns = std::clamp(style.columns, 1, kMostColumns);
  style.rows = std::clamp(style.rows, 1, kMostRows);
  style.cell_width = std::clamp(style.cell_width, 1, kMostCellSide);
  style.cell_height = std::clamp(style.cell_height, 1, kMostCellSide);
  if (style.protocol == Protocol::kBlocks) {
    style.cell_width = 1;
    style.cell_height = 2;
  }
  return style;
}

double scale_of(int width, int height, const ImageStyle& style) {
  return std::min({1.0, double(style.columns) * style.cell_width / width,
                   double(style.rows) * style.cell_height / height,
                   std::sqrt(double(kMostPixels) / width / height)});
}

}  // namespace

std::string_view name(Protocol protocol) {
  for (const auto& [value, text] : kNames) {
    if (value == protocol) return text;
  }
  return "";
}

std::optional<Protocol> protocol_from_name(std::string_view text) {
  for (const auto& [value, known] : kNames) {
    if (known == text) return value;
  }
  return std::nullopt;
}

CellSize cells_of(int width, int height, const ImageStyle& wish) {
  const ImageStyle style = bounded(wish);
  const double scale = scale_of(width, height, style);
  const auto cells = [&](int pixels, int cell, int most) {
    return std::clamp(int(std::ceil(pixels * scale / cell - 1e-6)), 1, most);
  };
  return {cells(width, style.cell_width, style.columns),
          cells(height, style.cell_height, style.rows)};
}

Result<std::string> show_image(const media::Image& image, const ImageStyle& wish) {
  OCELLI_CHECK(image.width >= 1 && image.height >= 1 && image.width <= media::kMaxSide &&
                   image.height <= media::kMaxSide,
               "a picture that resize() takes");
  if (wish.protocol == Protocol::kNone) return std::string();
  const ImageStyle style = bounded(wish);
  const double scale = scale_of(image.width, image.height, style);
  const int width = std::max(1, int(image.width * scale + 1e-6));
  const int height = std::max(1, int(image.height * scale + 1e-6));
  media::Image small = width == image.width && height == image.height
                           ? image
                           : media::resize(image, width, height, media::Filter::kLanczos);
  const CellSize cells = cells_of(image.width, image.height, style);
  switch (style.protocol) {
    case Protocol::kKitty:
      return kitty(small, cells, style);
    case Protocol::kIterm:
      return iterm(small, cells, style);
    case Protocol::kSixel:
      return sixel(std::move(small));
    case Protocol::kBlocks:
      return blocks(small, style.truecolor);
    case Protocol::kNone:
      break;
  }
  return std::string();
}

}  // namespace ocelli::cli
