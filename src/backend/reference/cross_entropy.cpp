#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/reference/loops.h"
#include "backend/reference/reference_backend.h"

namespace ocelli::reference {
namespace {

double log_sum_exp(const float* logits, int64_t count) {
  const double most = *std::max_element(logits, logits + count);
  double sum = 0;
  for (int64_t v = 0; v < count; ++v) sum += std::exp(logits[v] - most);
  return most + std::log(sum);
}

}  // namespace

void ReferenceBackend::cross_entropy(ThreadPool& pool, const Tensor& logits,
                                     std::span<const int32_t> targets, float scale,
                                     const Tensor& loss) {
  std::vector<double> losses(targets.size());
  for_each(pool, int64_t(targets.size()), [&](int64_t t) {
    const int32_t target = targets[size_t(t)];
    if (target < 0) return;
    losses[size_t(t)] = log_sum_exp(row(logits, t), logits.dim(-1)) - row(logits, t)[target];
  });
  double sum = 0;
  for (const double one : losses) sum += one;
  loss.f32()[0] = float(scale * sum);
}

void ReferenceBackend::cross_entropy_grad(ThreadPool& pool, const Tensor& logits,
                                          std::span<const int32_t> targets, float scale,
                                          const Tensor& dloss, const Tensor& dlogits) {
  const double factor = double(scale) * dloss.f32()[0];
  for_each(pool, int64_t(targets.size()), [&](int64_t t) {
    const int32_t target = targets[size_t(t)];
    if (target < 0) return;
    const float* in = row(logits, t);
    const double whole = log_sum_exp(in, logits.dim(-1));
    for (int64_t v = 0; v < logits.dim(-1); ++v) {
      row(dlogits, t)[v] += float(factor * (std::exp(in[v] - whole) - (v == target ? 1 : 0)));
    }
  });
}

void ReferenceBackend::token_log_probs(ThreadPool& pool, const Tensor& logits,
                                       std::span<const int32_t> targets, float* log_probs) {
  for_each(pool, int64_t(targets.size()), [&](int64_t t) {
    const int32_t target = targets[size_t(t)];
    log_probs[t] = 0;
    if (target < 0) return;
    const float* in = row(logits, t);
    log_probs[t] = float(in[target] - log_sum_exp(in, logits.dim(-1)));
  });
}

void ReferenceBackend::token_log_probs_grad(ThreadPool& pool, const Tensor& logits,
                                            std::span<const int32_t> targets,
                                            const float* dlog_probs, const Tensor& dlogits) {
  for_each(pool, int64_t(targets.size()), [&](int64_t t) {
    const int32_t target = targets[size_t(t)];
    if (target < 0) return;
    const float* in = row(logits, t);
    const double whole = log_sum_exp(in, logits.dim(-1)), factor = dlog_probs[t];
    for (int64_t v = 0; v < logits.dim(-1); ++v) {
      row(dlogits, t)[v] += float(factor * ((v == target ? 1 : 0) - std::exp(in[v] - whole)));
    }
  });
}

}  // namespace ocelli::reference
