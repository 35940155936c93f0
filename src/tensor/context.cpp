#include "tensor/context.h"

#include <algorithm>
#include <functional>

namespace ocelli::tensor {

Tensor Context::output(std::initializer_list<int64_t> shape, std::initializer_list<Tensor> inputs) {
  int64_t count = 1;
  for (const int64_t n : shape) count *= n;
  Tensor t = Tensor::view(arena.take<float>(count), shape);
  if (tape && std::any_of(inputs.begin(), inputs.end(), [](const Tensor& x) { return x.grad; })) {
    t.grad = new (arena.take<Grad>(1)) Grad{nullptr, count};
  }
  return t;
}

float* grad_of(Context& c, const Tensor& t) {
  OCELLI_CHECK(t.grad, "a gradient flows to this tensor");
  if (!t.grad->data) {
    OCELLI_CHECK(!c.block_begin || std::less_equal<const void*>()(c.block_begin, t.grad),
                 "a gradient that outlives a recomputed block is taken before it");
    t.grad->data = c.arena.take<float>(t.grad->count);
    if (c.arena.counts_only()) return t.grad->data + t.grad_offset;
    constexpr int64_t kPiece = 1 << 16;  // numbers that are worth another thread
    c.pool.parallel_for(
        t.grad->count,
        [data = t.grad->data](int64_t begin, int64_t end) {
          std::fill(data + begin, data + end, 0.0f);
        },
        kPiece);
  }
  return t.grad->data + t.grad_offset;
}

void run_backward(Context& c) {
  OCELLI_CHECK(c.tape, "a backward pass needs the tape of the forward pass");
  Tape steps = std::move(*c.tape);
  c.tape->clear();
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) (*step)(c);
}

}  // namespace ocelli::tensor
