// Lora: a low-rank change of a matrix W [out, in], as PEFT defines it.
//
//   LoRA   W' = W + scale * b a
//   DoRA   W' = f * (W + scale * b a), row by row, f = magnitude / |row of (W + scale * b a)|
//
// The layer adds what differs from W to its result, so that W stays in its encoding and may be
// frozen; the gradient flows to a, b and the magnitude. The row norms are constants of the backward
// pass (section 4.3 of the DoRA paper, and PEFT).
#pragma once

#include <span>

#include "base/thread_pool.h"
#include "encoding/weight.h"
#include "tensor/backend.h"
#include "tensor/context.h"

namespace ocelli::nn {

using encoding::Weight;
using tensor::Activation;
using tensor::Context;
using tensor::Tensor;

// A view, like Weight: the numbers belong to whoever made the adapter.
struct Lora {
  Weight a;              // [rank, in]; of an embedding [V, rank]
  Weight b;              // [out, rank]; of an embedding [D, rank]
  float scale = 1;       // alpha / rank or alpha / sqrt(rank)
  float weight = 1;      // how much of W' - W is added: 1 all, 0 nothing
  float dropout = 0;     // share of the input that is dropped while a tape is there
  uint32_t op = 0;       // this module's number among all that drop
  Tensor magnitude = {};  // DoRA: [1, out] (of an embedding [1, D]), or empty
  Tensor inverse_norm = {};  // DoRA: 1 / norms, shaped the same, no gradient; see refresh()
};

// Several adapters apply in their order; a DoRA scales what those before it have made of the
// result, as in PEFT. `y` [T, out] is x W^T, without its bias where `needs_bare_product`.
bool needs_bare_product(std::span<const Lora> lora);
Tensor apply(Context& c, Tensor y, const Tensor& x, const Weight& w, std::span<const Lora> lora);

// magnitude / norm, [1, out].
Tensor dora_factor(Context& c, const Lora& lora);

// Computes inverse_norm (whose memory the owner has set) from W, a and b: needed once, and again
// whenever a or b have changed. Nothing to do without a magnitude. A row of zeros has the inverse
// norm 0. `of_columns`: of an embedding, where D norms run over the V rows.
void refresh(base::ThreadPool& pool, const Weight& w, const Lora& lora, bool of_columns = false);

// Changes row `row` of W (or of what earlier adapters made of it), float32 [in], to that of W'.
void merge_row(const Lora& lora, int64_t row, std::span<float> numbers, bool of_embedding = false);

}  // namespace ocelli::nn
