// Frames in a grid, each with its time below it.
#include <algorithm>
#include <array>
#include <cmath>

#include "cli/show_prompt.h"
#include "media/encode.h"
#include "media/resample.h"

namespace ocelli::cli {
namespace {

constexpr int kCell = 192;  // pixels of a frame's longer side
constexpr int kGap = 8, kLabel = 24;
constexpr int kMaxColumns = 8;
constexpr int kScale = 2;  // of the letters
constexpr uint8_t kPaper = 255, kInk = 32;

// 0 to 9 and the colon, 5 x 7 dots each; a row is 5 bits, the left dot the highest.
using Glyph = std::array<uint8_t, 7>;
constexpr Glyph kDigits[] = {
    {14, 17, 19, 21, 25, 17, 14}, {4, 12, 4, 4, 4, 4, 14},  {14, 17, 1, 6, 8, 16, 31},
    {14, 17, 1, 6, 1, 17, 14},    {2, 6, 10, 18, 31, 2, 2}, {31, 16, 30, 1, 1, 17, 14},
    {6, 8, 16, 30, 17, 17, 14},   {31, 1, 2, 4, 8, 8, 8},   {14, 17, 17, 14, 17, 17, 14},
    {14, 17, 17, 15, 1, 2, 12},
};
constexpr Glyph kColon = {0, 4, 4, 0, 4, 4, 0};

void dot(media::Image& sheet, int x, int y) {
  for (int dy = 0; dy < kScale; ++dy) {
    for (int dx = 0; dx < kScale; ++dx) {
      const int column = x + dx, row = y + dy;
      if (column < sheet.width && row < sheet.height)
        std::fill_n(sheet.row(row) + size_t(column) * 3, 3, kInk);
    }
  }
}

// Other characters than digits and colons leave a space.
void write(media::Image& sheet, int x, int y, const std::string& text) {
  for (const char c : text) {
    const Glyph* glyph = c >= '0' && c <= '9' ? &kDigits[c - '0'] : c == ':' ? &kColon : nullptr;
    for (int row = 0; glyph != nullptr && row < 7; ++row) {
      for (int column = 0; column < 5; ++column) {
        if ((*glyph)[size_t(row)] >> (4 - column) & 1)
          dot(sheet, x + column * kScale, y + row * kScale);
      }
    }
    x += 6 * kScale;
  }
}

// A tile in the clip's own shape.
media::Image frame_of(const engine::PreparedImage& image, int64_t index) {
  const int side = image.tiles.plan.side;
  media::Image tile{side, side, {}, {}};
  const size_t bytes = tile.row_bytes() * size_t(side);
  const auto begin = image.tiles.rgb.begin() + long(size_t(index) * bytes);
  tile.rgb.assign(begin, begin + long(bytes));
  const double scale = double(kCell) / std::max(image.width, image.height);
  const auto sized = [&](int pixels) { return std::clamp(int(pixels * scale), 1, kCell); };
  return media::resize(tile, sized(image.width), sized(image.height), media::Filter::kBicubic);
}

void place(media::Image& sheet, int x, int y, const media::Image& frame) {
  for (int row = 0; row < frame.height; ++row)
    std::copy_n(frame.row(row), frame.row_bytes(), sheet.row(y + row) + size_t(x) * 3);
}

}  // namespace

base::Result<std::vector<std::byte>> contact_sheet(const engine::Prompt& prompt) {
  struct Cell {
    const engine::PreparedImage* image;
    int64_t index;
  };
  std::vector<Cell> cells;
  for (const auto& image : prompt.images) {
    for (int64_t i = 0; image->clip && i < image->tiles.plan.tiles; ++i)
      cells.push_back({image.get(), i});
  }
  if (cells.empty()) {
    return base::fail(base::Code::kUsage,
                      "there is no video whose frames could be shown; give one, or leave it out",
                      "--output");
  }
  std::vector<media::Image> frames;
  int tallest = 0;
  for (const Cell& cell : cells) {
    frames.push_back(frame_of(*cell.image, cell.index));
    tallest = std::max(tallest, frames.back().height);
  }
  const int count = int(cells.size());
  const int columns = std::min(kMaxColumns, int(std::ceil(std::sqrt(count))));
  const int rows = (count + columns - 1) / columns;
  const int wide = kCell + kGap, high = tallest + kLabel + kGap;
  media::Image sheet{columns * wide + kGap, rows * high + kGap, {}, {}};
  sheet.rgb.assign(sheet.row_bytes() * size_t(sheet.height), kPaper);
  for (int i = 0; i < count; ++i) {
    const Cell& cell = cells[size_t(i)];
    const int x = kGap + i % columns * wide, y = kGap + i / columns * high;
    place(sheet, x, y, frames[size_t(i)]);
    write(sheet, x, y + tallest + 4, cell.image->clip->labels[size_t(cell.index)]);
  }
  return media::encode_png(sheet);
}

}  // namespace ocelli::cli
