#include <cmath>

#include "backend/reference/loops.h"
#include "backend/reference/reference_backend.h"

namespace ocelli::reference {

// x1' = x1 cos - x2 sin, x2' = x2 cos + x1 sin, in float32 as transformers' apply_rotary_pos_emb
void ReferenceBackend::rope(ThreadPool& pool, const Tensor& x, const Tensor& table, float sign,
                            const Tensor& y) {
  const int64_t half = x.dim(2) / 2;
  for_each(pool, x.dim(0), [&](int64_t t) {
    const float* cosines = row(table, t);
    const float* sines = cosines + half;
    for (int64_t h = 0; h < x.dim(1); ++h) {
      const float* in = head(x, t, h);
      float* out = head(y, t, h);
      for (int64_t i = 0; i < half; ++i) {
        const float a = in[i], b = in[half + i], s = sign * sines[i];
        out[i] = a * cosines[i] - b * s;
        out[half + i] = b * cosines[i] + a * s;
      }
    }
  });
}

void ReferenceBackend::rope_table(ThreadPool& pool, std::span<const int32_t> positions,
                                  std::span<const float> inv_freq, float factor,
                                  const Tensor& table) {
  for_each(
      pool, int64_t(positions.size()),
      [&](int64_t t) {
        float* cosines = row(table, t);
        float* sines = cosines + inv_freq.size();
        for (size_t i = 0; i < inv_freq.size(); ++i) {
          const float angle = float(positions[size_t(t)]) * inv_freq[i];
          cosines[i] = std::cos(angle) * factor;
          sines[i] = std::sin(angle) * factor;
        }
      },
      16);
}

}  // namespace ocelli::reference
