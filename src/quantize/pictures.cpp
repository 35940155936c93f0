#include "quantize/pictures.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/rng.h"

namespace ocelli::quantize {
namespace {

using Colour = std::array<int, 3>;

constexpr Colour kColours[] = {{215, 40, 40},  {35, 140, 60},   {45, 85, 205},  {240, 205, 50},
                               {240, 135, 35}, {135, 60, 165},  {25, 25, 25},   {245, 245, 245},
                               {95, 190, 210}, {150, 100, 60}};

enum class Kind { kDisc, kBox, kTriangle, kStripes };
constexpr uint32_t kKinds = 4;

struct Shape {
  Kind kind;
  int x, y, size;  // centre and half width
  Colour colour;

  bool covers(int px, int py) const {
    const int dx = px - x, dy = py - y;
    if (kind == Kind::kDisc) return dx * dx + dy * dy <= size * size;
    if (std::abs(dx) > size || std::abs(dy) > size) return false;
    if (kind == Kind::kTriangle) return 2 * std::abs(dx) <= dy + size;
    if (kind == Kind::kStripes) return (dy + size) / std::max(1, size / 4) % 2 == 0;
    return true;
  }
};

}  // namespace

media::Image draw_picture(uint64_t seed, int side) {
  OCELLI_CHECK(side >= 8 && side <= 4096, "a picture of a sensible size");
  base::Rng rng(seed);
  const auto below = [&](uint32_t n) { return int(rng.next_u32() % n); };
  const Colour from{150 + below(100), 150 + below(100), 150 + below(100)};
  const Colour to{150 + below(100), 150 + below(100), 150 + below(100)};
  std::vector<Shape> shapes(size_t(2 + below(4)));
  for (Shape& s : shapes) {
    s.kind = Kind(below(kKinds));
    s.size = side / 12 + below(uint32_t(side / 6 + 1));
    s.x = s.size + below(uint32_t(std::max(1, side - 2 * s.size)));
    s.y = s.size + below(uint32_t(std::max(1, side - 2 * s.size)));
    s.colour = kColours[below(std::size(kColours))];
  }
  media::Image out;
  out.width = out.height = side;
  out.rgb.reserve(size_t(side) * size_t(side) * 3);
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      Colour c;
      for (size_t i = 0; i < 3; ++i) c[i] = from[i] + (to[i] - from[i]) * (x + y) / (2 * side);
      for (const Shape& s : shapes)
        if (s.covers(x, y)) c = s.colour;
      for (const int v : c) out.rgb.push_back(uint8_t(v));
    }
  }
  return out;
}

}  // namespace ocelli::quantize
