#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "backend/reference/attention_codes.h"
#include "backend/reference/keys.h"
#include "backend/reference/loops.h"
#include "backend/reference/reference_backend.h"
#include "base/check.h"
#include "encoding/attention_codes.h"

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

void in_float32(ThreadPool& pool, const tensor::AttentionJob& job) {
  const int64_t heads = job.q.dim(1);
  pool.parallel_for(job.q.dim(0) * heads, [&](int64_t begin, int64_t end) {
    Row scratch;
    for (int64_t i = begin; i < end; ++i) {
      const double log_sum_exp = attend(job, i / heads, i % heads, scratch);
      if (job.log_sum_exp) job.log_sum_exp[i] = float(log_sum_exp);
    }
  });
}

// The first whole blocks of each query's keys in codes, the others in float32.
void in_codes_and_float32(ThreadPool& pool, tensor::AttentionJob job) {
  const tensor::Tensor out = job.out;
  const int64_t tokens = out.dim(0), heads = out.dim(1), width = out.dim(2);
  std::vector<tensor::KeyRange> first, last;
  for (const tensor::KeyRange& r : job.ranges) {
    constexpr auto kBlock = int32_t(encoding::attention_codes::kBlock);
    const int32_t cut = r.begin + std::max(r.end - r.begin, 0) / kBlock * kBlock;
    first.push_back({r.begin, cut});
    last.push_back({cut, r.end});
  }
  std::vector<float> coded(size_t(tokens * heads * width)), coded_sum(size_t(tokens * heads)),
      sum(size_t(tokens * heads));
  job.ranges = last;
  job.log_sum_exp = sum.data();
  in_float32(pool, job);
  job.ranges = first;
  job.log_sum_exp = coded_sum.data();
  job.out = tensor::Tensor::view(coded.data(), {tokens, heads, width});
  attention_in_codes(pool, job);
  for (int64_t i = 0; i < tokens * heads; ++i) {
    const double a = double(sum[size_t(i)]), b = double(coded_sum[size_t(i)]);
    if (std::isinf(b)) continue;
    const double most = std::isinf(a) ? b : std::max(a, b);
    const double pa = std::exp(a - most), pb = std::exp(b - most);
    float* const to = head(out, i / heads, i % heads);
    for (int64_t j = 0; j < width; ++j) {
      const double other = double(coded[size_t(i * width + j)]);
      to[j] = float((pa * double(to[j]) + pb * other) / (pa + pb));
    }
  }
}

}  // namespace

void ReferenceBackend::attention(ThreadPool& pool, const tensor::AttentionJob& job) {
  using tensor::KeyCodes;
  OCELLI_CHECK(job.codes == KeyCodes::kNone || !job.log_sum_exp,
               "attention in 8 bits keeps nothing for a gradient");
  if (job.codes == KeyCodes::kAll) return attention_in_codes(pool, job);
  if (job.codes == KeyCodes::kBlocks && job.q.dim(0) > encoding::attention_codes::kFewQueries) {
    return in_codes_and_float32(pool, job);
  }
  in_float32(pool, job);
}

}  // namespace ocelli::reference
