#include "backend/count/counting_backend.h"

#include <algorithm>
#include <array>

namespace ocelli::count {

void CountingBackend::linear(ThreadPool&, std::span<const tensor::LinearJob> jobs) {
  for (const tensor::LinearJob& job : jobs) {
    work_.product_macs += job.x.rows() * job.w->rows * job.w->cols;
    work_.weight_bytes += encoding::bytes(*job.w);
  }
}

bool CountingBackend::feed_forward(ThreadPool&, const tensor::FeedForwardJob& job) {
  const std::array<const Weight*, 3> weights = {job.up, job.down, job.gate};
  const auto plain = [](const Weight* w) { return w && w->layout == encoding::Layout::kPlain; };
  if (std::any_of(weights.begin(), weights.end(), plain)) return false;
  for (const Weight* w : weights) {
    if (!w) continue;
    work_.product_macs += job.x.rows() * w->rows * w->cols;
    work_.weight_bytes += encoding::bytes(*w);
  }
  return true;
}

void CountingBackend::embedding(ThreadPool&, std::span<const int32_t> ids, const Weight& w,
                                const Tensor&) {
  work_.weight_bytes += int64_t(ids.size()) * encoding::row_bytes(w.encoding, w.cols);
}

void CountingBackend::attention(ThreadPool&, const tensor::AttentionJob& job) {
  int64_t pairs = 0;
  for (const tensor::KeyRange& range : job.ranges) pairs += range.end - range.begin;
  pairs *= job.q.dim(1);
  work_.attention_macs += 2 * pairs * job.q.dim(2);
  work_.exponentials += pairs;
}

void CountingBackend::linear_grad_input(ThreadPool&, const Tensor& dy, const Weight& w,
                                        const Tensor&) {
  work_.product_macs += dy.rows() * w.rows * w.cols;
  work_.weight_bytes += encoding::bytes(w);
}

void CountingBackend::linear_grad_weight(ThreadPool&, const Tensor& dy, const Tensor&,
                                         const Weight& w) {
  work_.product_macs += dy.rows() * w.rows * w.cols;
}

// The scores once more, then the gradients of q, k, v and of the scores.
void CountingBackend::attention_grad(ThreadPool&, const tensor::AttentionGradJob& job) {
  int64_t pairs = 0;
  for (const tensor::KeyRange& range : job.forward.ranges) pairs += range.end - range.begin;
  pairs *= job.forward.q.dim(1);
  work_.attention_macs += 5 * pairs * job.forward.q.dim(2);
  work_.exponentials += pairs;
}

}  // namespace ocelli::count
