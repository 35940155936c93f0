#include "ops/detail.h"
#include "ops/rope.h"

namespace ocelli::ops {

Tensor rope_table(Context& c, std::span<const int32_t> positions, std::span<const float> inv_freq,
                  float attention_factor) {
  const Tensor table = c.output({int64_t(positions.size()), 2 * int64_t(inv_freq.size())}, {});
  c.backend.rope_table(c.pool, positions, inv_freq, attention_factor, table);
  return table;
}

}  // namespace ocelli::ops
