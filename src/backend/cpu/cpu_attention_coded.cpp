// Attention in 8 bits: how the work is cut. Keys of a few (range, key head) pairs are encoded, then
// the queries that see them are handed out in blocks, and so on: little memory, and a core finds
// most of what it reads in its cache.
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

// Runs of queries with one range.
std::vector<QueryBlock> runs_of(const AttentionArgs& a) {
  std::vector<QueryBlock> runs;
  for (int64_t t = 0; t < a.tokens; ++t) {
    const KeySpan r = a.ranges[t];
    const bool same = t > 0 && a.ranges[t - 1].begin == r.begin && a.ranges[t - 1].end == r.end;
    if (!same) runs.push_back({0, 0, t, t});
    runs.back().t1 = t + 1;
  }
  return runs;
}

struct Cut {
  int64_t heads, tokens, head_parts;  // of a piece; pieces that the heads of a pair are in
  int64_t pieces(const Pair& p) const { return head_parts * ((p.t1 - p.t0 + tokens - 1) / tokens); }
};

void run_pairs(ThreadPool& pool, const Kernels& kernels, const AttentionArgs& a, const Cut& cut,
               std::vector<Pair>& pairs) {
  const int64_t group = a.heads / a.kv_heads;
  int64_t pieces = 0;
  for (Pair& p : pairs) {
    p.first_piece = pieces;
    pieces += cut.pieces(p);
  }
  pool.parallel_for(int64_t(pairs.size()), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) kernels.encode_keys(a, pairs[size_t(i)].keys);
  });
  pool.parallel_for(pieces, [&](int64_t begin, int64_t end) {
    float* const scratch = thread_scratch();
    size_t at = 0;
    for (int64_t i = begin; i < end; ++i) {
      while (at + 1 < pairs.size() && i >= pairs[at + 1].first_piece) ++at;
      const Pair& p = pairs[at];
      const int64_t parts = cut.pieces(p) / cut.head_parts, number = i - p.first_piece;
      const int64_t part = number % parts, tokens = p.t1 - p.t0;
      kernels.attention_coded(a, p.keys,
                              {p.keys.kv_head * group + number / parts * cut.heads, cut.heads,
                               p.t0 + tokens * part / parts, p.t0 + tokens * (part + 1) / parts},
                              scratch);
    }
  });
}

}  // namespace

void attention_in_codes(ThreadPool& pool, const Kernels& kernels, const AttentionArgs& a) {
  OCELLI_CHECK(!a.log_sum_exp, "attention in 8 bits keeps nothing for a gradient");
  if (a.tokens == 0 || a.heads == 0) return;
  const int64_t group = a.heads / a.kv_heads, heads = heads_within(group, kernels.coded_rows);
  const Cut cut{heads, std::max<int64_t>(kernels.coded_rows / heads, 1), group / heads};
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
  for (const QueryBlock& run : runs_of(a)) {
    const KeySpan span = a.ranges[run.t0];
    const int64_t size = kernels.coded_bytes(std::max(span.end - span.begin, 0), a.head_dim);
    for (int64_t kv = 0; kv < a.kv_heads; ++kv) {
      const bool full = int64_t(pairs.size()) == kPairsPerThread * pool.threads() ||
                        (!pairs.empty() && bytes + size > kRecordBytes);
      if (full) flush();
      pairs.push_back({{nullptr, span, kv}, run.t0, run.t1, 0});
      at.push_back(bytes);
      bytes += size;
    }
  }
  flush();
}

}  // namespace ocelli::cpu
