#include "ops/token_log_probs.h"

#include "ops/detail.h"

namespace ocelli::ops {

Tensor token_log_probs(Context& c, const Tensor& logits, std::span<const int32_t> targets) {
  OCELLI_CHECK(logits.rank == 2 && logits.row_uniform(), "token_log_probs: logits are [T, V]");
  OCELLI_CHECK(int64_t(targets.size()) == logits.dim(0),
               "token_log_probs: a target for each token");
  for (const int32_t target : targets) {
    OCELLI_CHECK(target >= -1 && target < logits.dim(1),
                 "token_log_probs: a target is a token, or -1");
  }
  const Tensor y = c.output({logits.dim(0)}, {logits});
  c.backend.token_log_probs(c.pool, logits, targets, y.f32());
  if (y.grad) {
    const auto kept = detail::keep(c, targets);
    detail::on_backward(c, y, [logits, kept](Context& b, const Tensor& dy) {
      const Tensor dlogits = detail::gradient(b, logits);
      b.backend.token_log_probs_grad(b.pool, logits, kept, dy.f32(), dlogits);
    });
  }
  return y;
}

}  // namespace ocelli::ops
