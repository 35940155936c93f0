#include "ops/detail.h"
#include "ops/rows.h"

namespace ocelli::ops {

Tensor store_rows(Context& c, const Tensor& x, std::span<const int32_t> rows, const Tensor& cache) {
  OCELLI_CHECK(!c.tape, "store_rows: training goes without a cache");
  const int rank = cache.rank;
  OCELLI_CHECK((rank == 2 || rank == 3) && x.rank == rank && x.dim(1) == cache.dim(1) &&
                   x.dim(-1) == cache.dim(-1),
               "store_rows: rows of one width");
  OCELLI_CHECK(x.stride[size_t(rank - 1)] == 1 && cache.stride[size_t(rank - 1)] == 1,
               "store_rows: rows are contiguous");
  OCELLI_CHECK(x.dim(0) == int64_t(rows.size()), "store_rows: a place for each row");
  OCELLI_CHECK(detail::all_below(rows, cache.dim(0)),
               "store_rows: every index is a row of the cache");
  c.backend.scatter_rows(c.pool, x, rows, false, cache);
  return cache;
}

}  // namespace ocelli::ops
