#include "parity_pictures.h"

#include <algorithm>

namespace ocelli::parity {
namespace {

uint32_t mix(uint32_t v) {
  v ^= v >> 16;
  v *= 0x7feb352d;
  v ^= v >> 15;
  v *= 0x846ca68b;
  v ^= v >> 16;
  return v;
}

// One channel of a picture.
struct Formula {
  uint32_t seed, channel;

  uint32_t hash(uint32_t x, uint32_t y) const {
    return mix(x * 0x9e3779b1 ^ mix(y * 0x85ebca77 ^ mix(channel * 0xc2b2ae3d ^ seed)));
  }
  uint32_t corner(uint32_t i, uint32_t j) const { return hash(i, j) >> 24; }
  uint32_t smooth(uint32_t x, uint32_t y) const {
    const uint32_t i = x >> 5, j = y >> 5, f = x & 31, g = y & 31;
    const uint32_t above = corner(i, j) * (32 - f) + corner(i + 1, j) * f;
    const uint32_t below = corner(i, j + 1) * (32 - f) + corner(i + 1, j + 1) * f;
    return (above * (32 - g) + below * g) >> 10;
  }
  uint32_t texture(uint32_t x, uint32_t y) const {
    return uint32_t(std::clamp(int(smooth(x, y)) + int(hash(x + 7919, y) >> 27) - 16, 0, 255));
  }
};

}  // namespace

media::Image formula_picture(const std::string& kind, uint32_t seed, int width, int height) {
  OCELLI_CHECK(
      kind == "noise" || kind == "edges" || kind == "flat" || kind == "smooth" || kind == "texture",
      "a known kind of picture");
  media::Image image;
  image.width = width;
  image.height = height;
  image.rgb.resize(size_t(width) * size_t(height) * 3);
  const char first = kind[0], second = kind[1];
  for (uint32_t c = 0; c < 3; ++c) {
    const Formula f{seed, c};
    for (uint32_t y = 0; y < uint32_t(height); ++y) {
      uint8_t* row = image.row(int(y)) + c;
      for (uint32_t x = 0; x < uint32_t(width); ++x, row += 3) {
        if (first == 'n') *row = uint8_t(f.hash(x, y) >> 24);
        if (first == 'e') *row = f.hash(x >> 4, y >> 4) >> 31 ? 255 : 0;
        if (first == 'f') *row = uint8_t(f.hash(0, 0) >> 24);
        if (first == 's' && second == 'm') *row = uint8_t(f.smooth(x, y));
        if (first == 't') *row = uint8_t(f.texture(x, y));
      }
    }
  }
  return image;
}

media::Image formula_picture(const base::Json& arguments) {
  const auto number = [&](const char* key) { return arguments.find(key)->as_int(); };
  return formula_picture(arguments.find("kind")->as_string(), uint32_t(number("seed")),
                         int(number("width")), int(number("height")));
}

}  // namespace ocelli::parity
