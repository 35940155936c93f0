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
    c.tape->push_back([logits, y, kept = detail::keep(c, targets)](Context& b) {
      if (!detail::reached(y)) return;
      const Tensor dlogits = detail::gradient(b, logits);
      b.backend.token_log_probs_grad(b.pool, logits, kept, detail::gradient(b, y).f32(), dlogits);
    });
  }
  return y;
}

}  // namespace ocelli::ops
