#include "ops/detail.h"
#include "ops/rows.h"

namespace ocelli::ops {

Tensor gather_rows(Context& c, const Tensor& x, std::span<const int32_t> rows) {
  OCELLI_CHECK(x.rank == 2 && x.row_uniform(), "gather_rows: x is [R, D] with contiguous rows");
  OCELLI_CHECK(detail::all_below(rows, x.dim(0)), "gather_rows: every index is a row of x");
  const Tensor y = c.output({int64_t(rows.size()), x.dim(1)}, {x});
  c.backend.gather_rows(c.pool, x, rows, y);
  if (y.grad) {
    detail::on_backward(c, y, [x, kept = detail::keep(c, rows)](Context& b, const Tensor& dy) {
      b.backend.scatter_rows(b.pool, dy, kept, true, detail::gradient(b, x));
    });
  }
  return y;
}

}  // namespace ocelli::ops
