#include "ops/rope.h"

#include "ops/detail.h"

namespace ocelli::ops {

Tensor rope(Context& c, const Tensor& x, const Tensor& table) {
  OCELLI_CHECK(x.rank == 3 && x.dim(2) % 2 == 0 && x.stride[2] == 1,
               "rope: x is [T, H, Dh], Dh even");
  OCELLI_CHECK(table.rank == 2 && table.dim(0) == x.dim(0) && table.dim(1) == x.dim(2),
               "rope: the table is [T, Dh]");
  OCELLI_CHECK(table.row_uniform() && !table.grad, "rope: the table is data");
  const Tensor y = c.output({x.dim(0), x.dim(1), x.dim(2)}, {x});
  c.backend.rope(c.pool, x, table, 1, y);
  detail::on_backward(c, y, [x, table](Context& b, const Tensor& dy) {
    const Tensor dx = detail::gradient(b, x);
    b.backend.rope(b.pool, dy, table, -1, dy);
    b.backend.accumulate(b.pool, detail::merge_heads(dy), 1, detail::merge_heads(dx));
  });
  return y;
}

}  // namespace ocelli::ops
