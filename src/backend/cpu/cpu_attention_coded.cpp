// Attention in 8 bits and in bfloat16: how the work is cut. Keys of a few (range, key head) pairs
// are encoded, then the queries that see them are handed out in blocks, and so on: little memory,
// and a core finds most of what it reads in its cache.
#include <algorithm>
#include <vector>

#include "backend/cpu/cpu_attention.h"
#include "backend/cpu/cpu_backend_impl.h"
#include "base/check.h"

namespace ocelli::cpu {
namespace {

// Pairs for each thread that are encoded together, as far as memory allows.
constexpr int64_t kPairsPerThread = 4;

// A key head and the queries [t0, t1) that see one range, in `parts` blocks for each of the pieces
// that its heads are in.
struct Pair {
  CodedKeys keys;
  int64_t t0, t1, first_piece;
};

// Queries [t0, t1) and the keys that they see together.
struct Run {
  KeySpan span;
  int64_t t0, t1;
};
// Runs of queries whose ranges are the same, or overlap.
std::vector<Run> runs_of(const AttentionArgs& a, bool same) {
  std::vector<Run> runs;
  for (int64_t t = 0; t < a.tokens; ++t) {
    const KeySpan r = a.ranges[t];
    if (!runs.empty()) {
      KeySpan& span = runs.back().span;
      if (same ? span.begin == r.begin && span.end == r.end
               : r.begin < span.end && r.end > span.begin) {
        span = {std::min(span.begin, r.begin), std::max(span.end, r.end)};
        runs.back().t1 = t + 1;
        continue;
      }
    }
    runs.push_back({r, t, t + 1});
  }
  return runs;
}

struct Cut {
  int64_t heads, tokens, head_parts;  // of a piece; pieces that the heads of a pair are in
  int64_t pieces(const Pair& p) const { return head_parts * ((p.t1 - p.t0 + tokens - 1) / tokens); }
};

void run_pairs(ThreadPool& pool, const CodedAttention& kernels, const AttentionArgs& a,
               const Cut& cut, std::vector<Pair>& pairs) {
  const int64_t group = a.heads / a.kv_heads;
  int64_t pieces = 0;
  for (Pair& p : pairs) {
    p.first_piece = pieces;
    pieces += cut.pieces(p);
  }
  pool.parallel_for(int64_t(pairs.size()), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) kernels.encode(a, pairs[size_t(i)].keys);
  });
  pool.parallel_for(pieces, [&](int64_t begin, int64_t end) {
    float* const scratch = thread_scratch();
    size_t at = 0;
    for (int64_t i = begin; i < end; ++i) {
      while (at + 1 < pairs.size() && i >= pairs[at + 1].first_piece) ++at;
      const Pair& p = pairs[at];
      const int64_t parts = cut.pieces(p) / cut.head_parts, number = i - p.first_piece;
      const int64_t part = number % parts, tokens = p.t1 - p.t0;
      kernels.attend(a, p.keys,
                     {p.keys.kv_head * group + number / parts * cut.heads, cut.heads,
                      p.t0 + tokens * part / parts, p.t0 + tokens * (part + 1) / parts},
                     scratch);
    }
  });
}

void run_all(ThreadPool& pool, const CodedAttention& kernels, const AttentionArgs& a,
             const std::vector<Run>& runs) {
  if (a.tokens == 0 || a.heads == 0) return;
  const int64_t group = a.heads / a.kv_heads, heads = heads_within(group, kernels.rows);
  const Cut cut{heads, std::max<int64_t>(kernels.rows / heads, 1), group / heads};
  std::vector<Pair> pairs;
  std::vector<int64_t> at;
  int64_t bytes = 0;
  const auto flush = [&] {
    std::byte* const memory = thread_records(bytes);
    for (size_t i = 0; i < pairs.size(); ++i) pairs[i].keys.memory = memory + at[i];
    run_pairs(pool, kernels, a, cut, pairs);
    pairs.clear();
    at.clear();
    bytes = 0;
  };
  for (const Run& run : runs) {
    const int64_t size = kernels.bytes(run.span, a.head_dim);
    for (int64_t kv = 0; kv < a.kv_heads; ++kv) {
      const bool full = int64_t(pairs.size()) == kPairsPerThread * pool.threads() ||
                        (!pairs.empty() && bytes + size > kRecordBytes);
      if (full) flush();
      pairs.push_back({{nullptr, run.span, kv}, run.t0, run.t1, 0});
      at.push_back(bytes);
      bytes += size;
    }
  }
  flush();
}

}  // namespace

void attention_in_codes(ThreadPool& pool, const Kernels& kernels, const AttentionArgs& a) {
  OCELLI_CHECK(!a.log_sum_exp, "attention in 8 bits keeps nothing for a gradient");
  run_all(pool, kernels.attention_8bit, a, runs_of(a, true));
}

bool attention_in_bf16(ThreadPool& pool, const Kernels& kernels, const AttentionArgs& a) {
  const CodedAttention& bf16 = kernels.attention_bf16;
  if (!bf16.attend || a.log_sum_exp || a.tokens < kLeastBF16Rows) return false;
  const std::vector<Run> runs = runs_of(a, false);
  const bool fits = std::all_of(runs.begin(), runs.end(), [&](const Run& r) {
    return bf16.bytes(r.span, a.head_dim) <= kRecordBytes;
  });
  if (fits) run_all(pool, bf16, a, runs);
  return fits;
}

}  // namespace ocelli::cpu
