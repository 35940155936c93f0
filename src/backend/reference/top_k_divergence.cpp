#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/reference/loops.h"
#include "backend/reference/reference_backend.h"

namespace ocelli::reference {
namespace {

using tensor::TopKJob;

// What is known of one position.
struct Position {
  const float* logits;
  int64_t vocabulary, count;
  const int32_t* ids;
  const float* log_probs;
  double inverse;  // of the temperature

  Position(const TopKJob& job, int64_t t)
      : logits(row(job.logits, t)),
        vocabulary(job.logits.dim(-1)),
        count(int64_t(job.ids.size()) / job.logits.rows()),
        ids(job.ids.data() + t * count),
        log_probs(job.log_probs.data() + t * count),
        inverse(1 / double(job.temperature)) {}

  double log_sum_exp() const {
    const double most = inverse * *std::max_element(logits, logits + vocabulary);
    double sum = 0;
    for (int64_t v = 0; v < vocabulary; ++v) sum += std::exp(inverse * logits[v] - most);
    return most + std::log(sum);
  }
  // use(id, p, log p) for each entry that has a probability.
  template <class Use>
  void entries(const Use& use) const {
    for (int64_t k = 0; k < count; ++k) {
      const double p = std::exp(double(log_probs[k]));
      if (ids[k] >= 0 && p > 0) use(ids[k], p, double(log_probs[k]));
    }
  }
};

}  // namespace

void ReferenceBackend::top_k_divergence(ThreadPool& pool, const TopKJob& job, const Tensor& loss) {
  std::vector<double> losses(size_t(job.logits.rows()));
  for_each(pool, job.logits.rows(), [&](int64_t t) {
    const Position at(job, t);
    const double whole = at.log_sum_exp();
    at.entries([&](int32_t id, double p, double log_p) {
      losses[size_t(t)] += p * (log_p - (at.inverse * at.logits[id] - whole));
    });
  });
  double sum = 0;
  for (const double one : losses) sum += one;
  loss.f32()[0] = float(job.scale * sum);
}

void ReferenceBackend::top_k_divergence_grad(ThreadPool& pool, const TopKJob& job,
                                             const Tensor& dloss, const Tensor& dlogits) {
  for_each(pool, job.logits.rows(), [&](int64_t t) {
    const Position at(job, t);
    const double whole = at.log_sum_exp(), factor = dloss.f32()[0] * job.scale * at.inverse;
    std::vector<double> grad(size_t(at.vocabulary), 0.0);
    double mass = 0;
    at.entries([&](int32_t id, double p, double) {
      mass += p;
      grad[size_t(id)] -= p;
    });
    if (mass == 0) return;
    for (int64_t v = 0; v < at.vocabulary; ++v) {
      const double part = mass * std::exp(at.inverse * at.logits[v] - whole);
      row(dlogits, t)[v] += float(factor * (grad[size_t(v)] + part));
    }
  });
}

}  // namespace ocelli::reference
