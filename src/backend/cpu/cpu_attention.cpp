// Attention and rotary positions: how the work is cut.
#include "backend/cpu/cpu_attention.h"

#include <algorithm>

#include "backend/cpu/cpu_backend_impl.h"

namespace ocelli::cpu {
namespace {

constexpr int64_t kSmallWork = 1 << 18;
// Rows (queries times heads) of a piece that are worth turning keys for another thread.
constexpr int64_t kLeastRows = 96;

static_assert(sizeof(KeySpan) == sizeof(tensor::KeyRange));

}  // namespace

int64_t heads_within(int64_t group, int64_t limit) {
  int64_t heads = std::min(group, limit);
  while (group % heads != 0) --heads;
  return heads;
}

bool has_attention_kernel(const tensor::AttentionJob& job) {
  const auto rank3 = [](const Tensor& t) { return t.rank == 3 && t.stride[2] == 1; };
  const auto readable = [](const Tensor& t) { return t.dtype != tensor::DType::kBF16; };
  return rank3(job.q) && rank3(job.k) && rank3(job.v) && rank3(job.out) &&
         job.q.dim(2) <= kMaxHeadDim && readable(job.k) && job.k.dtype == job.v.dtype;
}

AttentionArgs attention_args(const tensor::AttentionJob& job) {
  AttentionArgs a{};
  a.q = job.q.f32();
  a.q_stride = job.q.stride[0];
  a.q_head_stride = job.q.stride[1];
  a.k = job.k.data;
  a.v = job.v.data;
  a.keys = tensor::encoding_of(job.k.dtype);
  a.k_stride = job.k.stride[0];
  a.k_head_stride = job.k.stride[1];
  a.v_stride = job.v.stride[0];
  a.v_head_stride = job.v.stride[1];
  a.out = job.out.f32();
  a.out_stride = job.out.stride[0];
  a.out_head_stride = job.out.stride[1];
  a.ranges = reinterpret_cast<const KeySpan*>(job.ranges.data());
  a.log_sum_exp = job.log_sum_exp;
  a.tokens = job.q.dim(0);
  a.heads = job.q.dim(1);
  a.kv_heads = job.k.dim(1);
  a.head_dim = job.q.dim(2);
  a.scale = job.scale;
  return a;
}

void CpuBackend::attention(ThreadPool& pool, const tensor::AttentionJob& job) {
  if (!has_attention_kernel(job)) return ReferenceBackend::attention(pool, job);
  const AttentionArgs a = attention_args(job);
  using tensor::AttentionNumbers;
  if (job.numbers == AttentionNumbers::k8Bit) return attention_in_codes(pool, kernels_, a);
  if (job.numbers == AttentionNumbers::kBF16 && attention_in_bf16(pool, kernels_, a)) return;
  if (a.tokens == 0 || a.heads == 0) return;
  int64_t work = 0;
  for (const tensor::KeyRange& r : job.ranges) work += std::max(0, r.end - r.begin);
  work *= a.heads * a.head_dim * 2;

  // Heads that share keys go together, unless threads would go without.
  const int64_t group = a.heads / a.kv_heads;
  int64_t rows = kernels_.attention_rows;
  int64_t heads = heads_within(group, kernels_.attention_heads);
  const auto token_parts = [&] {
    const int64_t tokens = std::max<int64_t>(rows / heads, 1);
    return (a.tokens + tokens - 1) / tokens;
  };
  const int threads = work < kSmallWork ? 1 : pool.threads();
  const auto too_few = [&] { return threads > 1 && a.heads / heads * token_parts() < 4 * threads; };
  while (too_few() && rows / 2 >= kLeastRows) rows /= 2;
  while (too_few() && heads > 1) heads = heads_within(group, heads - 1);
  const int64_t parts = token_parts(), pieces = a.heads / heads * parts;
  const auto body = [&](int64_t begin, int64_t end) {
    float* const scratch = thread_scratch();
    for (int64_t i = begin; i < end; ++i) {
      const int64_t head = i / parts * heads, part = i % parts;
      kernels_.attention_block(a, head, heads, a.tokens * part / parts,
                               a.tokens * (part + 1) / parts, scratch);
    }
  };
  pool.parallel_for(pieces, body, threads == 1 ? pieces : 1);
}

void CpuBackend::rope(ThreadPool& pool, const Tensor& x, const Tensor& table, float sign,
                      const Tensor& y) {
  if (x.rank != 3) return ReferenceBackend::rope(pool, x, table, sign, y);
  const int64_t tokens = x.dim(0), heads = x.dim(1), width = x.dim(2);
  const auto body = [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      kernels_.rope(x.f32() + t * x.stride[0], x.stride[1], y.f32() + t * y.stride[0], y.stride[1],
                    heads, width, table.f32() + t * table.row_stride(), sign);
    }
  };
  const int64_t row = std::max<int64_t>(heads * width, 1);
  pool.parallel_for(tokens, body, std::max<int64_t>(kSmallWork / 8 / row, 1));
}

}  // namespace ocelli::cpu
