// The gradient of attention: how the work is cut, whatever the number of threads.
//
// Blocks of queries and blocks of keys: a pair adds to dq of its queries and to dk and dv of its
// keys. Pairs are handed out in rounds in which no block comes twice, so that threads never add to
// the same numbers and every sum has one order.
#include <algorithm>
#include <vector>

#include "backend/cpu/cpu_attention.h"
#include "backend/cpu/cpu_backend_impl.h"
#include "backend/cpu/cpu_pieces.h"

namespace ocelli::cpu {
namespace {

// Multiply-adds that are not worth a second thread.
constexpr int64_t kSmallWork = 1 << 18;

AttentionGradArgs args_of(const tensor::AttentionGradJob& job) {
  AttentionGradArgs g{};
  g.forward = attention_args(job.forward);
  g.dout = job.dout.f32();
  g.dout_stride = job.dout.stride[0];
  g.dout_head_stride = job.dout.stride[1];
  const auto place = [](const Tensor& t, float*& data, int64_t& stride, int64_t& head_stride) {
    data = t ? t.f32() : nullptr;
    stride = t ? t.stride[0] : 0;
    head_stride = t ? t.stride[1] : 0;
  };
  place(job.dq, g.dq, g.dq_stride, g.dq_head_stride);
  place(job.dk, g.dk, g.dk_stride, g.dk_head_stride);
  place(job.dv, g.dv, g.dv_stride, g.dv_head_stride);
  return g;
}

// The pairs of blocks, and which of them see each other.
struct Blocks {
  int64_t query_step, key_step, queries, keys;
  std::vector<uint8_t> seen;  // [queries, keys]
  int64_t pairs = 0;          // of a query and a key

  Blocks(const AttentionGradArgs& g, int64_t keys_in, int64_t query_limit)
      : query_step(query_limit),
        key_step(kAttentionGradKeys),
        queries((g.forward.tokens + query_step - 1) / query_step),
        keys((keys_in + key_step - 1) / key_step),
        seen(size_t(queries * keys)) {
    for (int64_t t = 0; t < g.forward.tokens; ++t) {
      const KeySpan r = g.forward.ranges[t];
      if (r.begin >= r.end) continue;
      pairs += r.end - r.begin;
      for (int64_t k = r.begin / key_step; k <= (r.end - 1) / key_step; ++k) {
        seen[size_t(t / query_step * keys + k)] = 1;
      }
    }
  }
};

// Queries of one block: many, because keys are turned anew for each, but so few that there are
// pairs for every thread.
int64_t query_step(int64_t tokens, int64_t kv_heads) {
  constexpr int64_t kManyHeads = 8;
  const int64_t wanted = kv_heads >= kManyHeads ? 1120 : tokens < 1024 ? 96 : 224;
  const int64_t blocks = (tokens + wanted - 1) / wanted;
  return (tokens + blocks - 1) / blocks;
}

}  // namespace

void CpuBackend::attention_grad(ThreadPool& pool, const tensor::AttentionGradJob& job) {
  const bool whole = job.dout.rank == 3 && job.dout.stride[2] == 1;
  if (!whole || !has_attention_kernel(job.forward) || job.forward.k.dtype != tensor::DType::kF32) {
    return ReferenceBackend::attention_grad(pool, job);
  }
  AttentionGradArgs g = args_of(job);
  const AttentionArgs& a = g.forward;
  if (a.tokens == 0 || a.heads == 0) return;
  std::vector<float> mean(size_t(a.tokens * a.heads));
  g.mean = mean.data();
  for_rows(pool, a.tokens, a.heads * a.head_dim,
           [&](int64_t begin, int64_t end) { kernels_.attention_grad_mean(g, begin, end); });
  const int64_t keys = job.forward.k.dim(0);
  const Blocks blocks(g, keys, query_step(a.tokens, a.kv_heads));
  const bool small = blocks.pairs * a.heads * a.head_dim * 5 < kSmallWork;
  const int64_t rounds = std::max(blocks.queries, blocks.keys);
  struct Piece {
    int64_t kv, query, key;
  };
  std::vector<Piece> pieces;
  for (int64_t round = 0; round < rounds; ++round) {
    pieces.clear();
    for (int64_t q = 0; q < blocks.queries; ++q) {
      const int64_t k = (q + round) % rounds;
      if (k >= blocks.keys || !blocks.seen[size_t(q * blocks.keys + k)]) continue;
      for (int64_t kv = 0; kv < a.kv_heads; ++kv) pieces.push_back({kv, q, k});
    }
    const auto body = [&](int64_t begin, int64_t end) {
      float* const scratch = thread_scratch();
      for (int64_t i = begin; i < end; ++i) {
        const auto [kv, q, k] = pieces[size_t(i)];
        const auto span = [](int64_t block, int64_t step, int64_t count) {
          return KeySpan{int32_t(block * step), int32_t(std::min(count, (block + 1) * step))};
        };
        kernels_.attention_grad_block(g, kv, span(q, blocks.query_step, a.tokens),
                                      span(k, blocks.key_step, keys), scratch);
      }
    };
    const auto count = int64_t(pieces.size());
    pool.parallel_for(count, body, small ? std::max<int64_t>(count, 1) : 1);
  }
}

}  // namespace ocelli::cpu
