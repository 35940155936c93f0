#include "ops/feed_forward.h"

#include <array>

#include "ops/detail.h"

namespace ocelli::ops {
namespace {

void check(const Tensor& x, const FeedForward& f, const Tensor& residual) {
  OCELLI_CHECK(x.rank == 2 && x.row_uniform() && x.dim(1) == f.up->cols,
               "feed_forward: x is [T, K] with contiguous rows");
  OCELLI_CHECK(f.down->cols == f.up->rows, "feed_forward: down takes what up gives");
  OCELLI_CHECK(!f.gate || (f.gate->rows == f.up->rows && f.gate->cols == f.up->cols && !f.up_bias),
               "feed_forward: gate and up are shaped alike");
  OCELLI_CHECK(!residual || (residual.rows() == x.dim(0) && residual.dim(-1) == f.down->rows &&
                             residual.row_uniform()),
               "feed_forward: the residual is shaped like the result");
}

const float* numbers(const Tensor& t) {
  return t ? t.f32() : nullptr;
}

}  // namespace

Tensor feed_forward(Context& c, const Tensor& x, const Norm& norm, const FeedForward& f,
                    const Tensor& residual) {
  check(x, f, residual);
  const bool trained =
      detail::wants_gradient(c, {detail::parameter(*f.down), f.up_bias, f.down_bias, residual});
  const std::array<const Weight*, 2> ws = {f.up, f.gate};
  if (trained || !detail::takes_norm(c, x, norm, std::span(ws).first(f.gate ? 2 : 1))) return {};
  const int64_t mark = c.arena.mark();
  const Tensor y = c.output({x.dim(0), f.down->rows}, {});
  const tensor::FeedForwardJob job{x,
                                   f.gate,
                                   f.up,
                                   f.down,
                                   y,
                                   numbers(f.up_bias),
                                   numbers(f.down_bias),
                                   f.activation,
                                   residual,
                                   detail::norm_of(x, norm)};
  if (c.cancelled() || c.backend.feed_forward(c.pool, job)) return y;
  c.arena.rewind(mark);
  return {};
}

}  // namespace ocelli::ops
