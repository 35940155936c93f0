#include "ops/patches.h"

#include "ops/detail.h"

namespace ocelli::ops {

Tensor patches(Context& c, const Tensor& pixels, int64_t patch) {
  OCELLI_CHECK(pixels.rank == 4 && pixels.row_uniform(), "patches: pixels are [B, C, Hp, Wp]");
  OCELLI_CHECK(patch > 0 && patch <= pixels.dim(2) && patch <= pixels.dim(3),
               "patches: a picture holds at least one");
  OCELLI_CHECK(!pixels.grad, "patches: pixels are data, without a gradient");
  const int64_t grid = (pixels.dim(2) / patch) * (pixels.dim(3) / patch);
  const Tensor y = c.output({pixels.dim(0) * grid, pixels.dim(1) * patch * patch}, {});
  c.backend.patches(c.pool, pixels, patch, y);
  return y;
}

}  // namespace ocelli::ops
