#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "backend/reference/attention_codes.h"
#include "backend/reference/keys.h"
#include "backend/reference/loops.h"
#include "backend/reference/reference_backend.h"

namespace ocelli::reference {
namespace {

// Scratch of one thread: the scores of one query, then its sum of values.
struct Row {
  std::vector<double> scores, values;
};

// One head of one query. Returns the logarithm of the sum of exponentials.
double attend(const tensor::AttentionJob& job, int64_t t, int64_t h, Row& scratch) {
  const int64_t width = job.q.dim(2), kv = h / (job.q.dim(1) / job.k.dim(1));
  const auto [begin, end] = job.ranges[size_t(t)];
  scratch.scores.clear();
  double most = -std::numeric_limits<double>::infinity(), sum = 0;
  for (int64_t s = begin; s < end; ++s) {
    scratch.scores.push_back(job.scale * dot(head(job.q, t, h), KeyRow(job.k, s, kv), width));
    most = std::max(most, scratch.scores.back());
  }
  scratch.values.assign(size_t(width), 0.0);
  for (int64_t s = begin; s < end; ++s) {
    const double p = std::exp(scratch.scores[size_t(s - begin)] - most);
    const KeyRow value(job.v, s, kv);
    sum += p;
    for (int64_t i = 0; i < width; ++i) scratch.values[size_t(i)] += p * value[i];
  }
  float* out = head(job.out, t, h);
  for (int64_t i = 0; i < width; ++i)
    out[i] = end > begin ? float(scratch.values[size_t(i)] / sum) : 0.0f;
  return most + std::log(sum);
}

}  // namespace

void ReferenceBackend::attention(ThreadPool& pool, const tensor::AttentionJob& job) {
  if (job.numbers == tensor::AttentionNumbers::k8Bit) return attention_in_codes(pool, job);
  const int64_t heads = job.q.dim(1);
  pool.parallel_for(job.q.dim(0) * heads, [&](int64_t begin, int64_t end) {
    Row scratch;
    for (int64_t i = begin; i < end; ++i) {
      const double log_sum_exp = attend(job, i / heads, i % heads, scratch);
      if (job.log_sum_exp) job.log_sum_exp[i] = float(log_sum_exp);
    }
  });
}

}  // namespace ocelli::reference
