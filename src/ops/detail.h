// What ops share among themselves.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <span>

#include "encoding/weight.h"
#include "ops/norm.h"
#include "tensor/backend.h"
#include "tensor/context.h"

namespace ocelli::ops {

using encoding::Weight;
using tensor::Activation;
using tensor::Context;
using tensor::Tensor;

namespace detail {

// Will a gradient flow to the result of an op with these inputs?
bool wants_gradient(const Context& c, std::initializer_list<Tensor> inputs);

// Among the inputs of an op: one that has a gradient.
Tensor some_gradient();
// Stands for a weight among the inputs of an op: it has a gradient if the weight has one.
Tensor parameter(const Weight& w);

// Whether products with these weights may take x through the norm themselves: no gradient, nobody
// who looks on, no exact arithmetic, and a backend that can.
bool takes_norm(const Context& c, const Tensor& x, const Norm& n,
                std::span<const Weight* const> ws);
// What of the norm a backend is told. Requires (CHECK) parameters as wide as x.
tensor::Norm norm_of(const Tensor& x, const Norm& n);

// The result of an op, contiguous, with the shape of `like`.
Tensor output_like(Context& c, const Tensor& like, std::initializer_list<Tensor> inputs);

// For the backward pass. Did a gradient reach y at all (its result may not have been used)?
inline bool reached(const Tensor& y) {
  return y.grad && y.grad->data;
}

// The gradient of t as a tensor laid out like t; empty where none flows. Taken from the arena on
// first use, so it must come before any Scratch.
Tensor gradient(Context& c, const Tensor& t);
// The same for a vector, [D] contiguous; null where none flows.
float* gradient_numbers(Context& c, const Tensor& t);

// The gradient of an op whose result is y: step(Context&, dy) adds to the gradients of the inputs.
// It runs if a gradient reached y, and is the last to read it. Nothing to do where none flows to y.
template <class Step>
void on_backward(Context& c, const Tensor& y, Step step) {
  if (!y.grad) return;
  c.tape->push_back([y, step](Context& b) {
    if (!reached(y)) return;
    step(b, gradient(b, y));
    tensor::drop_gradient(b, y);
  });
}

// A copy in the arena: what the backward pass still needs when the caller's own is gone.
template <class T>
std::span<const T> keep(Context& c, std::span<const T> values) {
  T* copy = c.arena.take<T>(int64_t(values.size()));
  std::copy(values.begin(), values.end(), copy);
  return {copy, values.size()};
}

// [T, H, Dh] as [T, H * Dh]. Heads must follow each other; tokens may be any distance apart.
Tensor merge_heads(const Tensor& x);

// Every index in [0, limit)?
bool all_below(std::span<const int32_t> indices, int64_t limit);

// Zeros in the arena, contiguous, with the shape of `like`, and scale * x. No gradient flows.
Tensor zeros_like(Context& c, const Tensor& like);
Tensor scaled_copy(Context& c, const Tensor& x, float scale);

// A copy with the same shape.
inline void copy(Context& c, const Tensor& from, const Tensor& to) {
  c.backend.activation(c.pool, Activation::kNone, from, to);
}

}  // namespace detail
}  // namespace ocelli::ops
