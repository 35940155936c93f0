#include "ops/detail.h"
#include "ops/rows.h"

namespace ocelli::ops {
namespace {

// dbase += dy, but for the rows that were replaced
void add_kept_rows(Context& b, const Tensor& dy, std::span<const int32_t> rows,
                   const Tensor& dbase) {
  const tensor::Scratch scratch(b.arena);
  const Tensor masked = detail::output_like(b, dy, {});
  const Tensor zeros = b.output({int64_t(rows.size()), dy.dim(1)}, {});
  tensor::clear(b, zeros.f32(), zeros.count());
  detail::copy(b, dy, masked);
  b.backend.scatter_rows(b.pool, zeros, rows, false, masked);
  b.backend.accumulate(b.pool, masked, 1, dbase);
}

// dx[i] += dy[rows[i]]
void add_placed_rows(Context& b, const Tensor& dy, std::span<const int32_t> rows,
                     const Tensor& dx) {
  const tensor::Scratch scratch(b.arena);
  const Tensor placed = b.output({int64_t(rows.size()), dy.dim(1)}, {});
  b.backend.gather_rows(b.pool, dy, rows, placed);
  b.backend.accumulate(b.pool, placed, 1, dx);
}

}  // namespace

Tensor place_rows(Context& c, const Tensor& base, const Tensor& x, std::span<const int32_t> rows) {
  OCELLI_CHECK(base.rank == 2 && base.row_uniform(),
               "place_rows: base is [T, D] with contiguous rows");
  OCELLI_CHECK(x.rank == 2 && x.row_uniform() && x.dim(1) == base.dim(1),
               "place_rows: x is [n, D]");
  OCELLI_CHECK(x.dim(0) == int64_t(rows.size()), "place_rows: a place for each row");
  OCELLI_CHECK(detail::all_below(rows, base.dim(0)), "place_rows: every index is a row of base");
  if (!detail::wants_gradient(c, {base, x})) {
    c.backend.scatter_rows(c.pool, x, rows, false, base);
    return base;
  }
  const Tensor y = detail::output_like(c, base, {base, x});
  detail::copy(c, base, y);
  c.backend.scatter_rows(c.pool, x, rows, false, y);
  const auto kept = detail::keep(c, rows);
  detail::on_backward(c, y, [base, x, kept](Context& b, const Tensor& dy) {
    const Tensor dbase = detail::gradient(b, base), dx = detail::gradient(b, x);
    if (dbase) add_kept_rows(b, dy, kept, dbase);
    if (dx) add_placed_rows(b, dy, kept, dx);
  });
  return y;
}

}  // namespace ocelli::ops
