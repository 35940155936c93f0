// One piece of attention: blocks of keys, one after the other. Included inside the set's namespace.

// Turns the scores of keys [first, last) of a block into weights.
inline void soften_block(const AttentionRun& run, int64_t block, int64_t first, int64_t last,
                         const AttentionScratch& s) {
  const int64_t c0 = (first - block) / kLanes * kLanes;
  const int64_t c1 = vectors_of(last - block) * kLanes;
  for (int64_t row = 0; row < run.rows(); ++row) {
    const KeySpan range = run.range(row);
    const int64_t from = range.begin - block, to = range.end - block;
    soften_row(row, from < c0 ? c0 : from, to > c1 ? c1 : to, c0, c1, run.p.head_dim, s);
  }
}

// As many queries as scores are kept of at a time, against keys [first, last) of a block.
template <class Stored>
inline void attend_part(const AttentionRun& part, int64_t block, int64_t first, int64_t last,
                        const AttentionScratch& s) {
  const bool few = part.p.tokens <= kFewRows;
  few ? score_few<Stored>(part, block, first, last, s) : score_block(part, block, first, last, s);
  soften_block(part, block, first, last, s);
  few ? add_values_few<Stored>(part, block, first, last, s)
      : add_values(part, block, first, last, s);
}

template <class Stored>
inline void run_attention(const AttentionRun& run, const AttentionScratch& s) {
  const KeySpan keys = run.keys();
  const int64_t tokens = run.t1 - run.t0, most = kScoreRows / run.heads;
  const int64_t parts = (tokens + most - 1) / most;
  load_queries(run, s);
  for (int64_t block = keys.begin / kKeys * kKeys; block < keys.end; block += kKeys) {
    const int64_t first = block < keys.begin ? keys.begin : block;
    const int64_t last = block + kKeys < keys.end ? block + kKeys : keys.end;
    if (run.p.tokens > kFewRows) load_keys<Stored>(run, block, first, last, s);
    for (int64_t i = 0; i < parts; ++i) {
      const int64_t t0 = run.t0 + tokens * i / parts, t1 = run.t0 + tokens * (i + 1) / parts;
      const AttentionRun part{run.p, run.head, run.heads, t0, t1};
      const KeySpan seen = part.keys();
      const int64_t begin = seen.begin > first ? seen.begin : first;
      const int64_t end = seen.end < last ? seen.end : last;
      if (begin >= end) continue;
      attend_part<Stored>(part, block, begin, end, s.from((t0 - run.t0) * run.heads));
    }
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
    with_stored(p.keys, [&](auto stored) { run_attention<decltype(stored)>(run, s); });
    t = stop;
  }
}
