// One piece of attention: blocks of keys, one after the other. Included inside the set's namespace.

template <class Stored>
inline void run_attention(const AttentionRun& run, int64_t begin, int64_t end,
                          const AttentionScratch& s) {
  const bool few = run.p.tokens <= kFewRows;
  load_queries(run, s);
  for (int64_t block = begin / kKeys * kKeys; block < end; block += kKeys) {
    const int64_t first = block < begin ? begin : block;
    const int64_t last = block + kKeys < end ? block + kKeys : end;
    few ? score_few<Stored>(run, block, first, last, s)
        : score_block<Stored>(run, block, first, last, s);
    const int64_t c0 = (first - block) / kLanes * kLanes;
    const int64_t c1 = vectors_of(last - block) * kLanes;
    for (int64_t row = 0; row < run.rows(); ++row) {
      const KeySpan range = run.range(row);
      const int64_t from = range.begin - block, to = range.end - block;
      soften_row(row, from < c0 ? c0 : from, to > c1 ? c1 : to, c0, c1, run.p.head_dim, s);
    }
    few ? add_values_few<Stored>(run, block, first, last, s)
        : add_values<Stored>(run, block, first, last, s);
  }
  finish_attention(run, s);
}

inline void attention_block(const AttentionArgs& p, int64_t head, int64_t heads, int64_t t0,
                            int64_t t1, float* scratch) {
  const AttentionScratch s(scratch);
  // Queries of several sequences see different keys: each run of overlapping ranges goes alone.
  for (int64_t t = t0; t < t1;) {
    int64_t begin = p.ranges[t].begin, end = p.ranges[t].end, stop = t + 1;
    for (; stop < t1; ++stop) {
      const KeySpan r = p.ranges[stop];
      if (r.begin >= end || r.end <= begin) break;
      begin = r.begin < begin ? r.begin : begin;
      end = r.end > end ? r.end : end;
    }
    const AttentionRun run{p, head, heads, t, stop};
    p.half ? run_attention<StoredF16>(run, begin, end, s)
           : run_attention<StoredF32>(run, begin, end, s);
    t = stop;
  }
}
