#include "ops/detail.h"
#include "ops/rows.h"

namespace ocelli::ops {

Tensor pixel_shuffle(Context& c, const Tensor& x, int64_t h, int64_t w, int64_t s) {
  OCELLI_CHECK(x.rank == 2 && h > 0 && w > 0 && x.dim(0) % (h * w) == 0,
               "pixel_shuffle: x is [B * h * w, C]");
  OCELLI_CHECK(s > 0 && h % s == 0 && w % s == 0, "pixel_shuffle: the scale divides both sides");
  int32_t* rows = c.arena.take<int32_t>(x.dim(0));
  int64_t n = 0;
  for (int64_t line = 0; line < x.dim(0) / w;
       line += s) {  // of all pictures, as h is a multiple of s
    for (int64_t column = 0; column < w; column += s) {
      for (int64_t dy = 0; dy < s; ++dy) {
        for (int64_t dx = 0; dx < s; ++dx) rows[n++] = int32_t((line + dy) * w + column + dx);
      }
    }
  }
  const Tensor y = gather_rows(c, x, {rows, size_t(n)});
  return y.reshape({x.dim(0) / (s * s), x.dim(1) * s * s});
}

}  // namespace ocelli::ops
