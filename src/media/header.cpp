#include "media/header.h"

#include <optional>
#include <string>
#include <vector>

#include "media/bmp_layout.h"
#include "media/bytes.h"
#include "media/gif_layout.h"
#include "media/heif_layout.h"
#include "media/sniff.h"
#include "media/tiff_layout.h"

namespace ocelli::media {
namespace {

using base::Code;
using base::Error;
using base::fail;
using base::Result;
Error broken(Format format, const char* why) {
  return fail(Code::kBadInput, std::string("broken ") + format_name(format) + " file (" + why +
                                   "); save the picture again");
}

// A header as found in the file: sizes still unchecked, orientation still in its packets.
struct Found {
  Format format;
  uint32_t width = 0, height = 0;
  bool animated = false;
  std::vector<std::byte> exif = {};  // JPEG may spread it over several segments
  Bytes xmp = {};
  std::optional<int64_t> orientation = {};  // where the format itself has it
};

// ITU T.81 B.1.1.3: every marker before the first scan but these carries a length.
bool has_no_length(uint32_t marker) {
  return marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8);
}

bool is_frame(uint32_t marker) {  // SOF0-15 without DHT, JPG and DAC
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

void read_app1(Bytes segment, Found& found) {
  using namespace std::string_view_literals;
  constexpr auto kXmp = "http://ns.adobe.com/xap/1.0/\0"sv;
  if (text_of(segment).starts_with("Exif\0\0"sv)) {
    found.exif.insert(found.exif.end(), segment.begin() + 6, segment.end());
  } else if (text_of(segment).starts_with(kXmp)) {
    found.xmp = segment.subspan(kXmp.size());
  }
}

Result<Found> read_jpeg(Bytes b) {
  Found found{Format::kJpeg};
  size_t at = 2;
  for (;;) {
    while (at < b.size() && byte_at(b, at) != 0xFF) ++at;  // libjpeg skips garbage here too
    while (at < b.size() && byte_at(b, at) == 0xFF) ++at;
    if (at >= b.size()) return broken(found.format, "it ends before the picture");
    const uint32_t marker = byte_at(b, at++);
    if (marker == 0 || has_no_length(marker)) continue;
    if (marker == 0xD9) return broken(found.format, "it has no picture");
    if (marker == 0xDA) break;  // start of scan
    if (b.size() - at < 2) return broken(found.format, "it ends before the picture");
    const size_t length = big16(b, at);
    if (length < 2 || length > b.size() - at) return broken(found.format, "a segment is cut short");
    const Bytes segment = b.subspan(at + 2, length - 2);
    if (marker == 0xE1) read_app1(segment, found);
    if (is_frame(marker)) {
      if (segment.size() < 6) return broken(found.format, "the frame header is cut short");
      found.height = big16(segment, 1);
      found.width = big16(segment, 3);
    }
    at += length;
  }
  return found;
}

// "Raw profile type exif", as ImageMagick wrote it before PNG had eXIf: newline, name, newline,
// length, newline, then hexadecimal digits with line breaks.
std::vector<std::byte> raw_profile(std::string_view text) {
  size_t start = 0;
  for (int line = 0; line < 3; ++line) {
    start = text.find('\n', start);
    if (start == text.npos) return {};
    ++start;
  }
  std::vector<std::byte> bytes;
  int digits = 0;
  unsigned value = 0;
  for (const char c : text.substr(start)) {
    if (c == '\n') continue;
    const std::string_view kHex = "0123456789abcdef";
    const size_t digit = kHex.find(c >= 'A' && c <= 'F' ? char(c + 32) : c);
    if (digit == kHex.npos) return {};
    value = value << 4 | unsigned(digit);
    if (++digits % 2 == 0) bytes.push_back(std::byte(value & 0xFF));
  }
  return bytes;
}

void read_png_text(std::string_view name, Bytes data, std::vector<std::byte>& raw, Found& found) {
  using namespace std::string_view_literals;
  constexpr auto kRaw = "Raw profile type exif\0"sv;
  constexpr auto kXmp = "XML:com.adobe.xmp\0\0\0"sv;  // key, not compressed, method 0
  const std::string_view text = text_of(data);
  if (name == "tEXt" && text.starts_with(kRaw)) raw = raw_profile(text.substr(kRaw.size()));
  if (name != "iTXt" || !text.starts_with(kXmp)) return;
  const size_t language_end = text.find('\0', kXmp.size());
  if (language_end == text.npos) return;
  const size_t keyword_end = text.find('\0', language_end + 1);
  if (keyword_end != text.npos) found.xmp = data.subspan(keyword_end + 1);
}

Result<Found> read_png(Bytes b) {
  Found found{Format::kPng};
  std::vector<std::byte> raw;
  size_t at = 8;
  bool first = true;
  while (b.size() - at >= 12) {  // length, name, data, CRC; libpng checks the CRC
    const size_t length = big32(b, at);
    const std::string_view name = text_of(b).substr(at + 4, 4);
    if (length > b.size() - at - 12) break;
    const Bytes data = b.subspan(at + 8, length);
    if (first) {
      if (name != "IHDR" || length != 13)
        return broken(found.format, "it does not begin with IHDR");
      found.width = big32(data, 0);
      found.height = big32(data, 4);
      first = false;
    } else if (name == "eXIf") {
      found.exif.assign(data.begin(), data.end());
    } else if (name == "acTL") {
      found.animated = data.size() >= 4 && big32(data, 0) > 1;
    } else {
      read_png_text(name, data, raw, found);
    }
    at += length + 12;
  }
  if (first) return broken(found.format, "it ends before the picture");
  if (found.exif.empty()) found.exif = std::move(raw);
  return found;
}

// The RIFF container of WebP (developers.google.com/speed/webp/docs/riff_container).
Result<Found> read_webp(Bytes b) {
  constexpr uint32_t kAnimation = 0x02, kXmp = 0x04, kExif = 0x08;
  Found found{Format::kWebp};
  uint32_t flags = 0;
  size_t at = 12;
  bool first = true;
  while (b.size() - at >= 8) {
    const std::string_view name = text_of(b).substr(at, 4);
    const size_t stored = little32(b, at + 4);
    const Bytes data = b.subspan(at + 8, std::min(stored, b.size() - at - 8));
    if (first) {
      if (name == "VP8X" && data.size() >= 10) {
        flags = byte_at(data, 0);
        found.width = little24(data, 4) + 1;
        found.height = little24(data, 7) + 1;
      } else if (name == "VP8L" && data.size() >= 5 && byte_at(data, 0) == 0x2F) {
        const uint32_t bits = little32(data, 1);
        found.width = (bits & 0x3FFF) + 1;
        found.height = (bits >> 14 & 0x3FFF) + 1;
      } else if (name == "VP8 " && data.size() >= 10) {
        found.width = little16(data, 6) & 0x3FFF;
        found.height = little16(data, 8) & 0x3FFF;
      } else {
        return broken(found.format, "the first chunk is no picture");
      }
      first = false;
    } else if (name == "EXIF" && (flags & kExif) != 0 && found.exif.empty()) {
      found.exif.assign(data.begin(), data.end());
    } else if (name == "XMP " && (flags & kXmp) != 0 && found.xmp.empty()) {
      found.xmp = data;
    }
    const size_t step = 8 + stored + (stored & 1);  // chunks are padded to even sizes
    if (step > b.size() - at) break;
    at += step;
  }
  if (first) return broken(found.format, "it ends before the picture");
  found.animated = (flags & kAnimation) != 0;
  return found;
}

Result<Found> read_gif(Bytes b) {
  OCELLI_ASSIGN(const GifLayout gif, read_gif_layout(b));
  return Found{Format::kGif, gif.width, gif.height, gif.animated};
}

Result<Found> read_bmp(Bytes b) {
  OCELLI_ASSIGN(const BmpLayout bmp, read_bmp_layout(b));
  return Found{Format::kBmp, bmp.width, bmp.height};
}

base::Status check_size(const Found& found, const DecodeLimits& limits) {
  const std::string size = std::to_string(found.width) + " x " + std::to_string(found.height);
  if (found.width == 0 || found.height == 0) {
    return fail(Code::kBadInput, "the picture has no pixels (its dimensions are " + size +
                                     "); save the picture again");
  }
  if (found.width > uint32_t(limits.max_side) || found.height > uint32_t(limits.max_side)) {
    return fail(Code::kBadInput, "a dimension of the picture is too large (" + size +
                                     " pixels, limit " + std::to_string(limits.max_side) +
                                     " a side); scale it down first");
  }
  if (int64_t(found.width) * found.height > limits.max_pixels) {
    return fail(Code::kBadInput, "the picture has too many pixels (" + size + ", limit " +
                                     std::to_string(limits.max_pixels) + "); scale it down first");
  }
  return {};
}

Result<Found> read_tiff(Bytes b, const DecodeLimits& limits) {
  OCELLI_ASSIGN(const TiffLayout tiff, read_tiff_layout(b));
  Found found{Format::kTiff, tiff.width, tiff.height, tiff.animated};
  found.orientation = tiff.orientation;
  found.xmp = tiff.xmp;
  OCELLI_TRY(check_size(found, limits));
  OCELLI_TRY(check_tiff_blocks(tiff, limits));
  return found;
}

// libheif applies the crop and turns that the boxes tell; EXIF counts for nothing here.
Result<Found> read_heif(Format format, Bytes b) {
  OCELLI_ASSIGN(const HeifLayout heif, read_heif_layout(format, b));
  return Found{format, heif.width, heif.height, heif.animated};
}

Result<Found> read_by_format(Format format, Bytes bytes, const DecodeLimits& limits) {
  if (format == Format::kJpeg) return read_jpeg(bytes);
  if (format == Format::kPng) return read_png(bytes);
  if (format == Format::kGif) return read_gif(bytes);
  if (format == Format::kBmp) return read_bmp(bytes);
  if (format == Format::kTiff) return read_tiff(bytes, limits);
  if (format == Format::kHeic || format == Format::kAvif) return read_heif(format, bytes);
  return read_webp(bytes);
}

}  // namespace

ImageFacts facts_of(const Header& header) {
  ImageFacts facts;
  facts.format = header.format;
  facts.stored_width = header.width;
  facts.stored_height = header.height;
  if (header.orientation >= 1 && header.orientation <= 8)
    facts.exif_orientation = int(header.orientation);
  facts.animated = header.animated;
  return facts;
}

Result<Header> read_header(Bytes bytes, const DecodeLimits& limits) {
  if (bytes.empty())
    return fail(Code::kBadInput, "the file is empty (0 bytes); expected a picture");
  if (bytes.size() > limits.max_bytes) {
    return fail(Code::kBadInput, "the picture file is too large (" + std::to_string(bytes.size()) +
                                     " bytes, limit " + std::to_string(limits.max_bytes) +
                                     "); scale it down first");
  }
  const Sniffed kind = sniff(bytes);
  if (kind.format == Format::kUnknown) {
    if (kind.name.empty()) {
      return fail(Code::kBadInput,
                  "not a picture or video (its first bytes match no known format); use JPEG, PNG "
                  "or WebP, or MP4");
    }
    return fail(Code::kBadInput,
                "unsupported: " + std::string(kind.name) + "; convert it to JPEG, PNG or WebP");
  }
  OCELLI_ASSIGN(const Found found, read_by_format(kind.format, bytes, limits));
  OCELLI_TRY(check_size(found, limits));
  Header header{found.format, int(found.width), int(found.height), 1, found.animated};
  if (found.orientation) {
    header.orientation = *found.orientation;
  } else if (const auto value = orientation_in_exif(found.exif)) {
    header.orientation = *value;
  } else if (const auto from_xmp = orientation_in_xmp(found.xmp)) {
    header.orientation = *from_xmp;
  }
  return header;
}

}  // namespace ocelli::media
