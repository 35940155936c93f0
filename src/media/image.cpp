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
    case Mode::kCmyk:
      return "CMYK";
    case Mode::kGrey16:
      return "I;16";
  }
  return "?";
}

}  // namespace ocelli::media
