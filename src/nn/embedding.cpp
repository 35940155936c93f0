#include "nn/embedding.h"

#include "ops/add.h"
#include "ops/embedding.h"
#include "ops/linear.h"
#include "ops/scale_columns.h"

namespace ocelli::nn {

Tensor Embedding::operator()(Context& c, std::span<const int32_t> ids) const {
  Tensor y = ops::embedding(c, ids, w);
  for (const Lora& l : lora) {
    const Tensor low = ops::linear(c, ops::embedding(c, ids, l.a), l.b);
    if (!l.magnitude) {
      y = ops::add(c, y, low, l.scale * l.weight);
      continue;
    }
    const Tensor changed = ops::scale_columns(c, ops::add(c, y, low, l.scale), dora_factor(c, l));
    y = l.weight == 1 ? changed : ops::add(c, ops::add(c, y, changed, l.weight), y, -l.weight);
  }
  return y;
}

}  // namespace ocelli::nn
