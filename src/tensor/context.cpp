#include "tensor/context.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

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
    float* const spare = c.spare ? c.spare->take(t.grad->count) : nullptr;
    t.grad->data = spare ? spare : c.arena.take<float>(t.grad->count);
    clear(c, t.grad->data, t.grad->count);
  }
  return t.grad->data + t.grad_offset;
}

void clear(Context& c, float* numbers, int64_t count) {
  if (c.arena.counts_only()) return;
  constexpr int64_t kPiece = 1 << 16;  // numbers that are worth another thread
  c.pool.parallel_for(
      count,
      [numbers](int64_t begin, int64_t end) { std::fill(numbers + begin, numbers + end, 0.0f); },
      kPiece);
}

float* SpareGradients::take(int64_t count) {
  // The last added is the likeliest to be in a cache.
  const auto found = std::find_if(spare_.rbegin(), spare_.rend(),
                                  [count](const Grad& g) { return g.count == count; });
  if (found == spare_.rend()) return nullptr;
  float* const data = found->data;
  spare_.erase(std::prev(found.base()));
  return data;
}

void drop_gradient(Context& c, const Tensor& t) {
  if (!c.spare || !t.grad || !t.grad->data) return;
  c.spare->add(*t.grad);
  t.grad->data = nullptr;
}

void run_backward(Context& c) {
  OCELLI_CHECK(c.tape, "a backward pass needs the tape of the forward pass");
  Tape steps = std::move(*c.tape);
  c.tape->clear();
  SpareGradients spare;
  SpareGradients* const outer = std::exchange(c.spare, &spare);
  for (auto step = steps.rbegin(); step != steps.rend() && !c.cancelled(); ++step) (*step)(c);
  c.spare = outer;
}

}  // namespace ocelli::tensor
