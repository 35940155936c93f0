// The gradient of attention. Probabilities are computed again from log_sum_exp, so that nothing of
// size T x S is ever stored. With P = exp(scale q.k - log_sum_exp) and D = dout . out:
//   dv[s] += P dout;   dS = scale P (dout . v[s] - D);   dq += dS k[s];   dk[s] += dS q
#include <cmath>
#include <vector>

#include "backend/reference/keys.h"
#include "backend/reference/loops.h"
#include "backend/reference/reference_backend.h"

namespace ocelli::reference {
namespace {

// Gradients of all that belongs to one key head, gathered in float64.
struct HeadGrad {
  const tensor::AttentionGradJob& job;
  int64_t kv, width;
  std::vector<double> dk, dv, dq;  // [S, Dh], [S, Dh], [Dh]

  HeadGrad(const tensor::AttentionGradJob& j, int64_t head)
      : job(j), kv(head), width(j.forward.q.dim(2)), dq(size_t(width)) {
    dk.resize(size_t(j.forward.k.dim(0) * width));
    dv.resize(dk.size());
  }
  void add_query(int64_t t, int64_t h);
  void store(const std::vector<double>& sums, const Tensor& to) const;
};

void HeadGrad::add_query(int64_t t, int64_t h) {
  const tensor::AttentionJob& f = job.forward;
  const float* q = head(f.q, t, h);
  const float* dout = head(job.dout, t, h);
  const float* out = head(f.out, t, h);
  double d = 0;
  for (int64_t i = 0; i < width; ++i) d += double(dout[i]) * double(out[i]);
  std::fill(dq.begin(), dq.end(), 0.0);
  for (int64_t s = f.ranges[size_t(t)].begin; s < f.ranges[size_t(t)].end; ++s) {
    const KeyRow k(f.k, s, kv), v(f.v, s, kv);
    const double p = std::exp(f.scale * dot(q, k, width) - f.log_sum_exp[t * f.q.dim(1) + h]);
    const double ds = f.scale * p * (dot(dout, v, width) - d);
    for (int64_t i = 0; i < width; ++i) {
      dv[size_t(s * width + i)] += p * dout[i];
      dk[size_t(s * width + i)] += ds * q[i];
      dq[size_t(i)] += ds * k[i];
    }
  }
  if (!job.dq) return;
  for (int64_t i = 0; i < width; ++i) head(job.dq, t, h)[i] += float(dq[size_t(i)]);
}

void HeadGrad::store(const std::vector<double>& sums, const Tensor& to) const {
  if (!to) return;
  for (int64_t s = 0; s < to.dim(0); ++s) {
    for (int64_t i = 0; i < width; ++i) head(to, s, kv)[i] += float(sums[size_t(s * width + i)]);
  }
}

}  // namespace

void ReferenceBackend::attention_grad(ThreadPool& pool, const tensor::AttentionGradJob& job) {
  const int64_t kv_heads = job.forward.k.dim(1), group = job.forward.q.dim(1) / kv_heads;
  for_each(pool, kv_heads, [&](int64_t kv) {
    HeadGrad grad(job, kv);
    for (int64_t t = 0; t < job.forward.q.dim(0); ++t) {
      for (int64_t h = kv * group; h < (kv + 1) * group; ++h) grad.add_query(t, h);
    }
    grad.store(grad.dk, job.dk);
    grad.store(grad.dv, job.dv);
  });
}

}  // namespace ocelli::reference
