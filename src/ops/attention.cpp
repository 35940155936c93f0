#include "ops/attention.h"

#include "ops/detail.h"

namespace ocelli::ops {
namespace {

using tensor::KeyRange;

void check(const Tensor& q, const Tensor& k, const Tensor& v, std::span<const KeyRange> ranges) {
  for (const Tensor* t : {&q, &k, &v}) {
    OCELLI_CHECK(t->rank == 3 && t->stride[2] == 1, "attention: tokens, heads, numbers of a head");
    OCELLI_CHECK(t->dim(2) == q.dim(2), "attention: all heads have one width");
  }
  OCELLI_CHECK(k.dim(0) == v.dim(0) && k.dim(1) == v.dim(1), "attention: a value for each key");
  OCELLI_CHECK(k.dim(1) > 0 && q.dim(1) % k.dim(1) == 0, "attention: key heads divide query heads");
  OCELLI_CHECK(k.dtype == v.dtype, "attention: keys and values have one type");
  OCELLI_CHECK(int64_t(ranges.size()) == q.dim(0), "attention: a range for each query");
  const bool inside = std::all_of(ranges.begin(), ranges.end(), [&](const KeyRange& r) {
    return 0 <= r.begin && r.begin <= r.end && r.end <= k.dim(0);
  });
  OCELLI_CHECK(inside, "attention: ranges lie inside the keys");
}

tensor::AttentionJob job_of(Context& c, const Tensor& q, const Tensor& k, const Tensor& v,
                            std::span<const KeyRange> ranges, float scale) {
  check(q, k, v, ranges);
  return {q, k, v, c.output({q.dim(0), q.dim(1), q.dim(2)}, {q, k, v}), ranges, scale};
}

Tensor run(Context& c, tensor::AttentionJob job) {
  const Tensor &q = job.q, &k = job.k;
  if (!job.out.grad) {
    if (!c.cancelled()) c.backend.attention(c.pool, job);
    return job.out;
  }
  OCELLI_CHECK(k.dtype == tensor::DType::kF32, "attention: a gradient flows through float32 alone");
  job.log_sum_exp = c.arena.take<float>(q.dim(0) * q.dim(1));
  job.ranges = detail::keep(c, job.ranges);
  if (!c.cancelled()) c.backend.attention(c.pool, job);
  detail::on_backward(c, job.out, [job](Context& b, const Tensor& dout) {
    tensor::AttentionGradJob grad{job, dout, {}, {}, {}};
    grad.dq = detail::gradient(b, job.q);
    grad.dk = detail::gradient(b, job.k);
    grad.dv = detail::gradient(b, job.v);
    b.backend.attention_grad(b.pool, grad);
  });
  return job.out;
}

}  // namespace

Tensor attention(Context& c, const Tensor& q, const Tensor& k, const Tensor& v,
                 std::span<const KeyRange> ranges, float scale, tensor::AttentionNumbers numbers) {
  tensor::AttentionJob job = job_of(c, q, k, v, ranges, scale);
  if (!c.exact && !job.out.grad) job.numbers = numbers;
  return run(c, job);
}

}  // namespace ocelli::ops
