#include "media/orientation.h"

#include <algorithm>
#include <string_view>

namespace ocelli::media {
namespace {

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Big- or little-endian integers at any offset; reading past the end gives nothing.
struct TiffReader {
  std::span<const std::byte> bytes;
  bool big_endian;

  std::optional<uint32_t> read(size_t at, size_t width) const {
    if (at > bytes.size() || bytes.size() - at < width) return std::nullopt;
    uint32_t value = 0;
    for (size_t i = 0; i < width; ++i) {
      const size_t from = big_endian ? at + i : at + width - 1 - i;
      value = value << 8 | std::to_integer<uint32_t>(bytes[from]);
    }
    return value;
  }
};

// TIFF 6.0: an entry is tag (2 bytes), type (2), count (4), value or its offset (4).
constexpr size_t kEntryBytes = 12;
constexpr uint32_t kOrientationTag = 274;

std::optional<int64_t> integer_value(const TiffReader& tiff, size_t entry) {
  const auto type = tiff.read(entry + 2, 2), count = tiff.read(entry + 4, 4);
  if (!type || !count || *count != 1) return std::nullopt;
  const size_t value = entry + 8;
  switch (*type) {
    case 3:
      return tiff.read(value, 2);  // SHORT
    case 4:
      return tiff.read(value, 4);  // LONG
    case 8:
      return int16_t(uint16_t(tiff.read(value, 2).value_or(0)));  // signed SHORT
    case 9:
      return int32_t(tiff.read(value, 4).value_or(0));  // signed LONG
    default:
      return std::nullopt;
  }
}

// Pixel (x, y) of the result is at `start + x * along + y * down` bytes in the source.
struct Walk {
  ptrdiff_t start, along, down;
};

Walk walk_of(int orientation, ptrdiff_t width, ptrdiff_t height) {
  const ptrdiff_t row = width * 3, right = (width - 1) * 3, bottom = (height - 1) * row;
  switch (orientation) {
    case 2:
      return {right, -3, row};
    case 3:
      return {bottom + right, -3, -row};
    case 4:
      return {bottom, 3, -row};
    case 5:
      return {0, row, 3};
    case 6:
      return {bottom, -row, 3};
    case 7:
      return {bottom + right, -row, -3};
    case 8:
      return {right, row, -3};
    default:
      return {0, 3, row};
  }
}

}  // namespace

std::optional<int64_t> orientation_in_exif(std::span<const std::byte> exif) {
  using namespace std::string_view_literals;
  while (text_of(exif).starts_with("Exif\0\0"sv)) exif = exif.subspan(6);
  const std::string_view magic = text_of(exif).substr(0, 4);
  if (magic != "II*\0"sv && magic != "MM\0*"sv) return std::nullopt;
  const TiffReader tiff{exif, magic[0] == 'M'};
  const auto directory = tiff.read(4, 4);
  if (!directory) return std::nullopt;
  const auto entries = tiff.read(*directory, 2);
  for (size_t i = 0; i < entries.value_or(0); ++i) {  // at most 65,535
    const size_t entry = size_t(*directory) + 2 + i * kEntryBytes;
    if (entry + kEntryBytes > exif.size()) return std::nullopt;
    if (tiff.read(entry, 2) != kOrientationTag) continue;
    if (const auto value = integer_value(tiff, entry)) return value;
  }
  return std::nullopt;
}

std::optional<int64_t> orientation_in_xmp(std::span<const std::byte> xmp) {
  constexpr std::string_view kKey = "tiff:Orientation";
  const std::string_view text = text_of(xmp);
  for (size_t at = text.find(kKey); at != text.npos; at = text.find(kKey, at + 1)) {
    std::string_view rest = text.substr(at + kKey.size());
    if (rest.starts_with("=\"")) {
      rest.remove_prefix(2);
    } else if (rest.starts_with(">")) {
      rest.remove_prefix(1);
    } else {
      continue;
    }
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return rest[0] - '0';
  }
  return std::nullopt;
}

void turn_upright(std::span<const uint8_t> stored, int width, int height, int orientation,
                  std::span<uint8_t> out) {
  const int out_width = swaps_sides(orientation) ? height : width;
  const int out_height = swaps_sides(orientation) ? width : height;
  const Walk walk = walk_of(orientation, width, height);
  // Bands of rows, so that a walk down the source's columns reuses each cache line.
  constexpr int kBand = 32;
  for (int top = 0; top < out_height; top += kBand) {
    const int bottom = std::min(top + kBand, out_height);
    for (int x = 0; x < out_width; ++x) {
      for (int y = top; y < bottom; ++y) {
        const uint8_t* from = stored.data() + walk.start + x * walk.along + y * walk.down;
        std::copy_n(from, 3, out.data() + (size_t(y) * size_t(out_width) + size_t(x)) * 3);
      }
    }
  }
}

}  // namespace ocelli::media
