#include "media/image.h"

namespace ocelli::media {

const char* format_name(Format format) {
  switch (format) {
    case Format::kJpeg:
      return "JPEG";
    case Format::kPng:
      return "PNG";
    case Format::kWebp:
      return "WebP";
    case Format::kGif:
      return "GIF";
    case Format::kBmp:
      return "BMP";
    case Format::kTiff:
      return "TIFF";
    case Format::kHeic:
      return "HEIC";
    case Format::kAvif:
      return "AVIF";
    case Format::kUnknown:
      break;
  }
  return "unknown";
}

const char* mode_name(Mode mode) {
  switch (mode) {
    case Mode::kRgb:
      return "RGB";
    case Mode::kRgba:
      return "RGBA";
    case Mode::kGrey:
      return "L";
    case Mode::kGreyAlpha:
      return "LA";
    case Mode::kBilevel:
      return "1";
    case Mode::kPalette:
      return "P";
    case Mode::kPaletteAlpha:
      return "PA";
    case Mode::kCmyk:
      return "CMYK";
    case Mode::kGrey16:
      return "I;16";
    case Mode::kGrey16Big:
      return "I;16B";
    case Mode::kInt32:
      return "I";
    case Mode::kFloat32:
      return "F";
  }
  return "?";
}

}  // namespace ocelli::media
