#include "ops/detail.h"
#include "ops/rows.h"

namespace ocelli::ops {

Tensor store_rows(Context& c, const Tensor& x, std::span<const int32_t> rows, const Tensor& cache) {
  OCELLI_CHECK(!c.tape, "store_rows: training goes without a cache");
  const Tensor from = x.rank == 3 ? detail::merge_heads(x) : x;
  const Tensor to = cache.rank == 3 ? detail::merge_heads(cache) : cache;
  OCELLI_CHECK(from.rank == 2 && to.rank == 2 && from.dim(1) == to.dim(1),
               "store_rows: rows of one width");
  OCELLI_CHECK(from.row_uniform() && to.row_uniform(), "store_rows: rows are contiguous");
  OCELLI_CHECK(from.dim(0) == int64_t(rows.size()), "store_rows: a place for each row");
  OCELLI_CHECK(detail::all_below(rows, to.dim(0)), "store_rows: every index is a row of the cache");
  c.backend.scatter_rows(c.pool, from, rows, false, to);
  return cache;
}

}  // namespace ocelli::ops
