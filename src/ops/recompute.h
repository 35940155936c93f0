// recompute: training memory for time. Of a block only its input is kept; what it computes inside
// is computed again when the gradient arrives. A chain of blocks needs one gradient: that of a
// block's result is read for the last time when the block's own begins.
#pragma once

#include <algorithm>
#include <utility>

#include "ops/detail.h"

namespace ocelli::ops {

// block(Context&, const Tensor& x) -> a tensor with the shape of x. Without a tape it just runs.
//
// The block is copied into the tape; whatever it refers to must live until the backward pass. A
// gradient may flow to x and to parameters, whose gradients are there already; other tensors from
// outside of the block must have none. Where nothing in the block trains, nothing is kept.
template <class Block>
Tensor recompute(Context& c, const Tensor& x, const Block& block) {
  if (!c.tape) return block(c, x);
  Tensor y = detail::output_like(c, x, {detail::some_gradient()});
  {
    const tensor::Scratch scratch(c.arena);
    const Tensor input = detail::output_like(c, x, {});
    detail::copy(c, x, input);  // without a tape, a block may write over its input
    // Parameters inside may have gradients even where x has none: a tape would tell.
    tensor::Tape probe;
    Context plain{c.backend, c.arena, c.pool, x.grad ? nullptr : &probe, c.rng, c.exact};
    plain.drops = true;
    plain.cancel = c.cancel;
    const Tensor result = block(plain, input);
    OCELLI_CHECK(result.rank == x.rank && result.shape == x.shape,
                 "recompute: a block keeps the shape");
    detail::copy(c, result, y);
    if (!x.grad && !result.grad) y.grad = nullptr;
  }
  if (!y.grad) return y;
  c.tape->push_back([x, y, block, rng = c.rng, exact = c.exact](Context& b) {
    if (!detail::reached(y)) return;
    const bool hands_over = x.grad && !x.grad->data && x.grad->count == y.grad->count;
    if (!hands_over) detail::gradient(b, x);  // outlives what is taken for the block
    const tensor::Scratch scratch(b.arena);
    tensor::Tape tape;
    Context again{b.backend, b.arena, b.pool, &tape, rng, exact, b.arena.take_bytes(0)};
    again.cancel = b.cancel;
    const Tensor result = block(again, x);
    if (!result.grad) return;
    b.backend.accumulate(b.pool, detail::gradient(b, y), 1, detail::gradient(again, result));
    if (hands_over) {
      x.grad->data = std::exchange(y.grad->data, nullptr);
      tensor::clear(b, x.grad->data, x.grad->count);
    }
    tensor::run_backward(again);
    tensor::drop_gradient(b, y);
  });
  return y;
}

}  // namespace ocelli::ops
