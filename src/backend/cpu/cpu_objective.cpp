// Objectives over rows of logits.
#include <cmath>
#include <vector>

#include "backend/cpu/cpu_backend_impl.h"
#include "backend/cpu/cpu_pieces.h"

namespace ocelli::cpu {
namespace {

using tensor::TopKJob;

// The softmax of a row at temperature 1 / scale: e^(scale (x - most)) / sum.
struct Softmax {
  const Kernels& kernels;
  const float* row;
  int64_t count;
  float scale, most = 0;
  double sum;

  Softmax(const Kernels& k, const Tensor& logits, int64_t t, float factor = 1)
      : kernels(k),
        row(logits.f32() + t * logits.row_stride()),
        count(logits.dim(-1)),
        scale(factor),
        sum(kernels.exp_sum(row, count, scale, &most)) {}

  double log_prob(int32_t id) const {
    return double(scale) * (double(row[id]) - double(most)) - std::log(sum);
  }
  // dx += factor * softmax
  void add_to(double factor, float* dx) const {
    kernels.add_exp(row, count, scale, most, float(factor / sum), dx);
  }
};

// body(t) for each row of logits, in pieces worth a thread.
template <class Body>
void for_logits(ThreadPool& pool, const Tensor& logits, Body body) {
  for_rows(pool, logits.rows(), logits.dim(-1), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) body(t);
  });
}

// dlogits[t, v] += factor(t) * (softmax(logits[t])[v] - (v == targets[t]))
template <class Factor>
void add_slopes(ThreadPool& pool, const Kernels& kernels, const Tensor& logits,
                std::span<const int32_t> targets, const Tensor& dlogits, Factor factor) {
  for_logits(pool, logits, [&](int64_t t) {
    const int32_t target = targets[size_t(t)];
    if (target < 0) return;
    float* const dx = dlogits.f32() + t * dlogits.row_stride();
    Softmax(kernels, logits, t).add_to(factor(t), dx);
    dx[target] -= float(factor(t));
  });
}

double sum_of(const std::vector<double>& parts) {
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

// What the teacher says of one position: use(id, p, log p) for each entry with a probability.
template <class Use>
void for_entries(const TopKJob& job, int64_t t, Use use) {
  const size_t count = job.ids.size() / size_t(job.logits.rows());
  for (size_t k = size_t(t) * count; k < size_t(t + 1) * count; ++k) {
    const double p = std::exp(double(job.log_probs[k]));
    if (job.ids[k] >= 0 && p > 0) use(job.ids[k], p, double(job.log_probs[k]));
  }
}

}  // namespace

void CpuBackend::cross_entropy(ThreadPool& pool, const Tensor& logits,
                               std::span<const int32_t> targets, float scale, const Tensor& loss) {
  std::vector<double> losses(targets.size());
  for_logits(pool, logits, [&](int64_t t) {
    const int32_t target = targets[size_t(t)];
    if (target >= 0) losses[size_t(t)] = -Softmax(kernels_, logits, t).log_prob(target);
  });
  loss.f32()[0] = float(scale * sum_of(losses));
}

void CpuBackend::cross_entropy_grad(ThreadPool& pool, const Tensor& logits,
                                    std::span<const int32_t> targets, float scale,
                                    const Tensor& dloss, const Tensor& dlogits) {
  const double factor = double(scale) * dloss.f32()[0];
  add_slopes(pool, kernels_, logits, targets, dlogits, [=](int64_t) { return factor; });
}

void CpuBackend::token_log_probs(ThreadPool& pool, const Tensor& logits,
                                 std::span<const int32_t> targets, float* log_probs) {
  for_logits(pool, logits, [&](int64_t t) {
    const int32_t target = targets[size_t(t)];
    log_probs[t] = target < 0 ? 0.0f : float(Softmax(kernels_, logits, t).log_prob(target));
  });
}

void CpuBackend::token_log_probs_grad(ThreadPool& pool, const Tensor& logits,
                                      std::span<const int32_t> targets, const float* dlog_probs,
                                      const Tensor& dlogits) {
  add_slopes(pool, kernels_, logits, targets, dlogits,
             [=](int64_t t) { return -double(dlog_probs[t]); });
}

void CpuBackend::top_k_divergence(ThreadPool& pool, const TopKJob& job, const Tensor& loss) {
  std::vector<double> losses(size_t(job.logits.rows()));
  for_logits(pool, job.logits, [&](int64_t t) {
    const Softmax student(kernels_, job.logits, t, 1 / job.temperature);
    for_entries(job, t, [&](int32_t id, double p, double log_p) {
      losses[size_t(t)] += p * (log_p - student.log_prob(id));
    });
  });
  loss.f32()[0] = float(job.scale * sum_of(losses));
}

void CpuBackend::top_k_divergence_grad(ThreadPool& pool, const TopKJob& job, const Tensor& dloss,
                                       const Tensor& dlogits) {
  const double factor = double(dloss.f32()[0]) * job.scale / job.temperature;
  for_logits(pool, job.logits, [&](int64_t t) {
    float* const dx = dlogits.f32() + t * dlogits.row_stride();
    double mass = 0;
    for_entries(job, t, [&](int32_t, double p, double) { mass += p; });
    if (mass == 0) return;
    Softmax(kernels_, job.logits, t, 1 / job.temperature).add_to(factor * mass, dx);
    for_entries(job, t, [&](int32_t id, double p, double) { dx[id] -= float(factor * p); });
  });
}

}  // namespace ocelli::cpu
