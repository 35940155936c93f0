// Products with weights. The gradient flows through any encoding to the input; only f32 and bf16
// weights may have one of their own.
#pragma once

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

// What follows a product: activation(product + bias) + residual.
struct Epilogue {
  Tensor bias = {};  // [N], or empty
  Activation activation = Activation::kNone;
  Tensor residual = {};  // [T, N], or empty
};

// x [T, K], w [N, K] -> [T, N]. Where no gradient flows, one fused call of the backend.
Tensor linear(Context& c, const Tensor& x, const Weight& w, const Epilogue& epilogue = {});

// y += scale * x w^T, in place: x [T, K], w [N, K], y [T, N]. The values of y must be nobody's that
// still needs them: those of a product, or of another add_product. Returns y, to which a gradient
// flows if one flows to any of the three.
Tensor add_product(Context& c, const Tensor& y, const Tensor& x, const Weight& w, float scale);

inline constexpr size_t kMaxGroup = 8;

// Products of one input with several weights, handed out together: ys[i] [T, N_i] = x ws[i]^T +
// biases[i]. `biases` is empty, or holds a tensor (perhaps an empty one) for each weight.
void linear_group(Context& c, const Tensor& x, std::span<const Weight* const> ws,
                  std::span<const Tensor> biases, std::span<Tensor> ys);
// The same of norm(x), which goes into the products where the backend can and nobody else needs it.
void linear_group(Context& c, const Tensor& x, const Norm& norm, std::span<const Weight* const> ws,
                  std::span<const Tensor> biases, std::span<Tensor> ys);

}  // namespace ocelli::ops
