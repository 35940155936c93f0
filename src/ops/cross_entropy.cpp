#include "ops/cross_entropy.h"

#include "ops/detail.h"

namespace ocelli::ops {

Tensor cross_entropy(Context& c, const Tensor& logits, std::span<const int32_t> targets) {
  OCELLI_CHECK(logits.rank == 2 && logits.row_uniform(), "cross_entropy: logits are [T, V]");
  OCELLI_CHECK(int64_t(targets.size()) == logits.dim(0), "cross_entropy: a target for each token");
  int64_t counted = 0;
  for (const int32_t target : targets) {
    OCELLI_CHECK(target >= -1 && target < logits.dim(1),
                 "cross_entropy: a target is a token, or -1");
    counted += target >= 0;
  }
  const float scale = counted > 0 ? 1.0f / float(counted) : 0.0f;
  const Tensor loss = c.output({1}, {logits});
  c.backend.cross_entropy(c.pool, logits, targets, scale, loss);
  if (loss.grad) {
    const auto kept = detail::keep(c, targets);
    detail::on_backward(c, loss, [logits, scale, kept](Context& b, const Tensor& dloss) {
      const Tensor dlogits = detail::gradient(b, logits);
      b.backend.cross_entropy_grad(b.pool, logits, kept, scale, dloss, dlogits);
    });
  }
  return loss;
}

}  // namespace ocelli::ops
