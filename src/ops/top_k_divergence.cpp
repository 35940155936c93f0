#include "ops/top_k_divergence.h"

#include "ops/detail.h"

namespace ocelli::ops {

Tensor top_k_divergence(Context& c, const tensor::TopKJob& job) {
  OCELLI_CHECK(job.logits.rank == 2 && job.logits.row_uniform(),
               "top_k_divergence: logits are [T, V]");
  OCELLI_CHECK(job.ids.size() == job.log_probs.size(), "top_k_divergence: a number for each id");
  OCELLI_CHECK(job.logits.dim(0) > 0 && int64_t(job.ids.size()) % job.logits.dim(0) == 0,
               "top_k_divergence: as many ids for each token");
  OCELLI_CHECK(job.temperature > 0, "top_k_divergence: a temperature above zero");
  for (const int32_t id : job.ids) {
    OCELLI_CHECK(id >= -1 && id < job.logits.dim(1), "top_k_divergence: an id is a token, or -1");
  }
  const Tensor loss = c.output({1}, {job.logits});
  c.backend.top_k_divergence(c.pool, job, loss);
  if (loss.grad) {
    tensor::TopKJob kept = job;
    kept.ids = detail::keep(c, job.ids);
    kept.log_probs = detail::keep(c, job.log_probs);
    detail::on_backward(c, loss, [kept](Context& b, const Tensor& dloss) {
      const Tensor dlogits = detail::gradient(b, kept.logits);
      b.backend.top_k_divergence_grad(b.pool, kept, dloss, dlogits);
    });
  }
  return loss;
}

}  // namespace ocelli::ops
