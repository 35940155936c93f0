#include "ops/embedding.h"

#include "ops/detail.h"

namespace ocelli::ops {

Tensor embedding(Context& c, std::span<const int32_t> ids, const Weight& w) {
  OCELLI_CHECK(detail::all_below(ids, w.rows), "embedding: every id is a row of the matrix");
  const Tensor y = c.output({int64_t(ids.size()), w.cols}, {detail::parameter(w)});
  c.backend.embedding(c.pool, ids, w, y);
  if (y.grad) {
    detail::on_backward(c, y, [w, kept = detail::keep(c, ids)](Context& b, const Tensor& dy) {
      b.backend.embedding_grad(b.pool, kept, dy, w);
    });
  }
  return y;
}

}  // namespace ocelli::ops
