#include "media/sniff.h"

#include <algorithm>
#include <array>

#include "media/heif_layout.h"

namespace ocelli::media {
namespace {

using namespace std::string_view_literals;

struct Magic {
  size_t offset;
  std::string_view bytes;
  std::string_view name;
};

constexpr std::array kUnsupported = {
    Magic{0, "%PDF-"sv, "PDF"},
    Magic{0, "8BPS"sv, "PSD"},
    Magic{0, "\0\0\1\0"sv, "ICO"},
    Magic{0, "\0\0\2\0"sv, "CUR"},
    Magic{0, "\xff\x0a"sv, "JPEG XL"},
    Magic{0, "\0\0\0\x0cJXL \r\n\x87\n"sv, "JPEG XL"},
    Magic{0, "\0\0\0\x0cjP  \r\n\x87\n"sv, "JPEG 2000"},
    Magic{0, "\xff\x4f\xff\x51"sv, "JPEG 2000"},
    Magic{0, "qoif"sv, "QOI"},
    Magic{0, "P1\n"sv, "PBM"},
    Magic{0, "P4\n"sv, "PBM"},
    Magic{0, "P2\n"sv, "PGM"},
    Magic{0, "P5\n"sv, "PGM"},
    Magic{0, "P3\n"sv, "PPM"},
    Magic{0, "P6\n"sv, "PPM"},
    Magic{0, "v/1\x01"sv, "OpenEXR"},
    Magic{0, "\xd7\xcd\xc6\x9a"sv, "WMF"},
    Magic{4, "ftyp"sv, "MP4 video"},
    Magic{0, "\x1a\x45\xdf\xa3"sv, "Matroska or WebM video"},
    Magic{0, "OggS"sv, "Ogg"},
    Magic{8, "AVI "sv, "AVI video"},
    Magic{8, "WAVE"sv, "WAV sound"},
    Magic{0, "ID3"sv, "MP3 sound"},
    Magic{0, "fLaC"sv, "FLAC sound"},
    Magic{0, "PK\3\4"sv, "ZIP"},
    Magic{0, "\x1f\x8b"sv, "gzip"},
    Magic{0, "\x28\xb5\x2f\xfd"sv, "zstd"},
    Magic{0, "\x89MNG"sv, "MNG"},
    Magic{0, "\x8aMNG"sv, "MNG"},
    Magic{0,
          "\x7f"
          "ELF"sv,
          "program"},
};

bool contains_ignoring_case(std::string_view text, std::string_view lower_word) {
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? char(a + 32) : a) == b; };
  return std::search(text.begin(), text.end(), lower_word.begin(), lower_word.end(), same) !=
         text.end();
}

// Markup: the first character that is not space is '<' and a telling element follows soon.
std::string_view markup_name(std::string_view text) {
  constexpr size_t kLookAt = 1024;
  text = text.substr(0, kLookAt);
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos || text[first] != '<') return {};
  if (contains_ignoring_case(text, "<svg")) return "SVG";
  if (contains_ignoring_case(text, "<!doctype html") || contains_ignoring_case(text, "<html"))
    return "HTML";
  if (text.substr(first).starts_with("<?xml")) return "XML";
  return {};
}

}  // namespace

Sniffed sniff(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("\xff\xd8\xff")) return {Format::kJpeg, {}};
  if (text.starts_with("\x89PNG\r\n\x1a\n")) return {Format::kPng, {}};
  if (text.starts_with("RIFF") && text.size() >= 12 && text.substr(8, 4) == "WEBP")
    return {Format::kWebp, {}};
  if (text.starts_with("GIF87a") || text.starts_with("GIF89a")) return {Format::kGif, {}};
  if (text.starts_with("BM")) return {Format::kBmp, {}};
  for (const std::string_view tiff : {"II*\0"sv, "MM\0*"sv, "II+\0"sv, "MM\0+"sv})
    if (text.starts_with(tiff)) return {Format::kTiff, {}};
  if (const Format heif = heif_format(bytes); heif != Format::kUnknown) return {heif, {}};
  for (const Magic& magic : kUnsupported) {
    if (text.size() > magic.offset && text.substr(magic.offset).starts_with(magic.bytes)) {
      return {Format::kUnknown, magic.name};
    }
  }
  return {Format::kUnknown, markup_name(text)};
}

}  // namespace ocelli::media
