#include "backend/reference/loops.h"
#include "backend/reference/reference_backend.h"
#include "base/rng.h"

namespace ocelli::reference {
namespace {

using tensor::Dropout;

// use(number, factor of the number) for each number of a row of `width`.
template <class Use>
void for_factors(const Dropout& d, int64_t t, int64_t width, const Use& use) {
  const base::Rng random(d.rng.seed, d.rng.step, d.rng.layer, d.rng.op);
  const float factor = float(1 / (1 - double(d.p)));
  for (int64_t i = 0; i < width; ++i) {
    use(i, random.uniform_at(uint64_t(t * width + i)) >= d.p ? factor : 0.0f);
  }
}

}  // namespace

void ReferenceBackend::dropout(ThreadPool& pool, const Tensor& x, const Dropout& d,
                               const Tensor& y) {
  for_each(pool, x.rows(), [&](int64_t t) {
    for_factors(d, t, x.dim(-1), [in = row(x, t), out = row(y, t)](int64_t i, float factor) {
      out[i] = factor > 0 ? factor * in[i] : 0.0f;
    });
  });
}

void ReferenceBackend::dropout_grad(ThreadPool& pool, const Tensor& dy, const Dropout& d,
                                    const Tensor& dx) {
  for_each(pool, dy.rows(), [&](int64_t t) {
    for_factors(d, t, dy.dim(-1), [in = row(dy, t), out = row(dx, t)](int64_t i, float factor) {
      if (factor > 0) out[i] += factor * in[i];
    });
  });
}

}  // namespace ocelli::reference
