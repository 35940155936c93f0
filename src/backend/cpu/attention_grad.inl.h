// The gradient of attention for a block of queries and a block of keys, in five products; only the
// block's part of the score matrix exists. Included inside the set's namespace.
//
// With P = e^(scale Q K^T - log_sum_exp), D = rows of dout . out (mean) and dS = scale P (dout V^T
// - D):
//   dV += P^T dout,  dK += dS^T Q,  dQ += dS K
// Rows are (query, head) pairs as in attention.inl.h. Numbers are added to dq, dk and dv block by
// block, so their sums have the order in which the caller hands out blocks.

inline constexpr int64_t kAttentionGradRows = 112 / kTileRows * kTileRows;
static_assert(kAttentionGradKeys <= kInner && kAttentionGradRows <= kInner);

struct AttentionGradScratch {
  float* q;             // [kAttentionGradRows][kAStride]
  float* dout;          // [kAttentionGradRows][kAStride]
  float* p;             // [kAttentionGradRows][kAStride]: scores, P; then this block's dq
  float* ds;            // [kAttentionGradRows][kAStride]: dout V^T, then dS
  float* key_panels;    // [kAttentionGradKeys / kTileColumns][head_dim][kTileColumns]
  float* value_panels;  // the same of values
  float* keys;          // [kAttentionGradKeys][head_dim rounded up to kLanes]
  float* dk;            // the same: sums over the block's queries
  float* dv;

  explicit AttentionGradScratch(float* at) {
    const auto take = [&](int64_t count) { return (at += count) - count; };
    q = take(kAttentionGradRows * kAStride);
    dout = take(kAttentionGradRows * kAStride);
    p = take(kAttentionGradRows * kAStride);
    ds = take(kAttentionGradRows * kAStride);
    key_panels = take(kAttentionGradKeys * kMaxHeadDim);
    value_panels = take(kAttentionGradKeys * kMaxHeadDim);
    keys = take(kAttentionGradKeys * kMaxHeadDim);
    dk = take(kAttentionGradKeys * kMaxHeadDim);
    dv = take(kAttentionGradKeys * kMaxHeadDim);
  }
};
static_assert(4 * kAttentionGradRows * kAStride + 5 * kAttentionGradKeys * kMaxHeadDim <=
              kScratchFloats);

// Keys [block, block_end) against the queries of a run, of which keys [first, last) are seen.
struct AttentionGradRun {
  const AttentionGradArgs& g;
  AttentionRun run;
  int64_t block, first, last;
  int64_t stride() const { return vectors_of(g.forward.head_dim) * kLanes; }
};

template <class Number>
inline Number* row_of(Number* x, int64_t stride, int64_t head_stride, const AttentionRun& run,
                      int64_t row) {
  return x + (run.t0 + row / run.heads) * stride + (run.head + row % run.heads) * head_stride;
}

// A row of numbers with zeros up to a whole vector.
inline void copy_padded(const float* from, int64_t count, float* to) {
  for (int64_t i = 0; i < count; i += kLanes) store(to + i, load_first(from + i, count - i));
}

inline void turn_panels(const float* x, int64_t stride, int64_t keys, int64_t width,
                        float* panels) {
  for (int64_t c = 0; c < keys; c += kTileColumns) {
    pack_panel(
        [=](int64_t column, int64_t i, int64_t n) {
          return c + column < keys ? load_first(x + (c + column) * stride + i, n) : zero();
        },
        kTileColumns, width, panels + c * width);
  }
}

inline void load_keys(const AttentionGradArgs& g, int64_t kv, int64_t block, int64_t count,
                      const AttentionGradScratch& s) {
  const AttentionArgs& p = g.forward;
  const float* const k = static_cast<const float*>(p.k) + block * p.k_stride + kv * p.k_head_stride;
  const float* const v = static_cast<const float*>(p.v) + block * p.v_stride + kv * p.v_head_stride;
  turn_panels(k, p.k_stride, count, p.head_dim, s.key_panels);
  turn_panels(v, p.v_stride, count, p.head_dim, s.value_panels);
  const int64_t stride = vectors_of(p.head_dim) * kLanes;
  for (int64_t key = 0; key < count; ++key) {
    copy_padded(k + key * p.k_stride, p.head_dim, s.keys + key * stride);
    for (int64_t i = 0; i < stride; i += kLanes) {
      store(s.dk + key * stride + i, zero());
      store(s.dv + key * stride + i, zero());
    }
  }
}

// Turns scores and dout V^T of one row, columns [begin, end) of which it sees, into P and dS over
// columns [c0, c1) (multiples of kLanes).
inline void score_gradient(const AttentionGradRun& r, int64_t row, int64_t c0, int64_t c1,
                           const AttentionGradScratch& s) {
  const AttentionArgs& a = r.g.forward;
  const KeySpan range = r.run.range(row);
  const int64_t begin = range.begin - r.block < c0 ? c0 : range.begin - r.block;
  const int64_t end = range.end - r.block > c1 ? c1 : range.end - r.block;
  float* const p = s.p + row * kAStride;
  float* const ds = s.ds + row * kAStride;
  const int64_t t = r.run.t0 + row / r.run.heads, h = r.run.head + row % r.run.heads;
  const F mean = set(r.g.mean[t * a.heads + h]);
  const F scale = set(a.scale), shift = set(-a.log_sum_exp[t * a.heads + h]);
  int64_t c = c0;
  for (; c < c1 && c + kLanes <= begin; c += kLanes) {
    store(p + c, zero());
    store(ds + c, zero());
  }
  for (; c < end; c += kLanes) {
    const F e = exp(fma(load(p + c), scale, shift));
    store(p + c, e);
    store(ds + c, mul(mul(scale, e), sub(load(ds + c), mean)));
  }
  for (; c < c1; c += kLanes) {
    store(p + c, zero());
    store(ds + c, zero());
  }
  for (int64_t i = begin / kLanes * kLanes; i < begin; ++i) p[i] = ds[i] = 0;
  const int64_t whole = vectors_of(end) * kLanes;
  for (int64_t i = end < begin ? begin : end; i < whole; ++i) p[i] = ds[i] = 0;
}

// to[key] += rows turned times b: what a key gathers from the rows of a run.
inline void gather_keys(const AttentionGradRun& r, const float* rows, const float* b, float* to) {
  const int64_t from = r.first - r.block, keys = r.last - r.first, stride = r.stride();
  for (int64_t i = 0; i < stride; i += kTileColumns) {
    const int64_t columns = stride - i < kTileColumns ? stride - i : kTileColumns;
    tiles<true>(keys, vectors_of(columns),
                {rows + from, b + i, kAStride, r.run.rows(), to + from * stride + i, stride, true});
  }
}

inline void add_query_gradient(const AttentionGradRun& r, const AttentionGradScratch& s) {
  const int64_t from = r.first - r.block, stride = r.stride(), width = r.g.forward.head_dim;
  for (int64_t i = 0; i < stride; i += kTileColumns) {
    const int64_t columns = stride - i < kTileColumns ? stride - i : kTileColumns;
    tiles(r.run.rows(), vectors_of(columns),
          {s.ds + from, s.keys + from * stride + i, stride, r.last - r.first, s.p + i, kAStride,
           false});
  }
  for (int64_t row = 0; row < r.run.rows(); ++row) {
    float* const dq = row_of(r.g.dq, r.g.dq_stride, r.g.dq_head_stride, r.run, row);
    const float* const got = s.p + row * kAStride;
    map_row(width, dq,
            [=](int64_t i, int64_t n) { return add(load_first(dq + i, n), load(got + i)); });
  }
}

inline void run_attention_grad(const AttentionGradRun& r, const AttentionGradScratch& s) {
  const AttentionArgs& a = r.g.forward;
  const int64_t rows = r.run.rows();
  for (int64_t row = 0; row < rows; ++row) {
    copy_padded(row_of(a.q, a.q_stride, a.q_head_stride, r.run, row), a.head_dim,
                s.q + row * kAStride);
    copy_padded(row_of(r.g.dout, r.g.dout_stride, r.g.dout_head_stride, r.run, row), a.head_dim,
                s.dout + row * kAStride);
  }
  const int64_t from = r.first - r.block, to = r.last - r.block;
  for (int64_t c = from / kTileColumns * kTileColumns; c < to; c += kTileColumns) {
    const int64_t panel = c * a.head_dim;
    tiles(rows, kTileVectors,
          {s.q, s.key_panels + panel, kTileColumns, a.head_dim, s.p + c, kAStride, false});
    tiles(rows, kTileVectors,
          {s.dout, s.value_panels + panel, kTileColumns, a.head_dim, s.ds + c, kAStride, false});
  }
  for (int64_t row = 0; row < rows; ++row) {
    score_gradient(r, row, from / kLanes * kLanes, vectors_of(to) * kLanes, s);
  }
  if (r.g.dv) gather_keys(r, s.p, s.dout, s.dv);
  if (r.g.dk) gather_keys(r, s.ds, s.q, s.dk);
  if (r.g.dq) add_query_gradient(r, s);
}

// Queries [t0, t1) (at most kAttentionGradRows rows): each run of them whose keys of the block
// overlap.
inline void attention_grad_queries(const AttentionGradArgs& g, const AttentionRun& all,
                                   int64_t block, int64_t block_end,
                                   const AttentionGradScratch& s) {
  const auto seen = [&](int64_t t) {
    const KeySpan r = g.forward.ranges[t];
    return KeySpan{r.begin < block ? int32_t(block) : r.begin,
                   r.end > block_end ? int32_t(block_end) : r.end};
  };
  for (int64_t t = all.t0; t < all.t1;) {
    KeySpan keys = seen(t);
    int64_t stop = t + 1;
    for (; stop < all.t1; ++stop) {
      const KeySpan r = seen(stop);
      if (r.begin >= r.end || r.begin >= keys.end || r.end <= keys.begin) break;
      keys.begin = r.begin < keys.begin ? r.begin : keys.begin;
      keys.end = r.end > keys.end ? r.end : keys.end;
    }
    if (keys.begin < keys.end) {
      run_attention_grad(
          {g, {g.forward, all.head, all.heads, t, stop}, block, keys.begin, keys.end}, s);
    }
    t = stop;
  }
}

inline void add_key_gradient(const float* from, int64_t stride, int64_t keys, int64_t width,
                             float* to, int64_t to_stride) {
  for (int64_t key = 0; key < keys; ++key, from += stride, to += to_stride) {
    map_row(width, to,
            [=](int64_t i, int64_t n) { return add(load_first(to + i, n), load(from + i)); });
  }
}

// D of tokens [t0, t1).
inline void attention_grad_mean(const AttentionGradArgs& g, int64_t t0, int64_t t1) {
  const AttentionArgs& a = g.forward;
  for (int64_t t = t0; t < t1; ++t) {
    for (int64_t h = 0; h < a.heads; ++h) {
      const float* const dout = g.dout + t * g.dout_stride + h * g.dout_head_stride;
      const float* const out = a.out + t * a.out_stride + h * a.out_head_stride;
      g.mean[t * a.heads + h] = sum_row(a.head_dim, [=](int64_t i, int64_t n) {
        return mul(load_first(dout + i, n), load_first(out + i, n));
      });
    }
  }
}

inline void attention_grad_block(const AttentionGradArgs& g, int64_t kv, const KeySpan& queries,
                                 const KeySpan& keys, float* scratch) {
  const AttentionGradScratch s(scratch);
  const AttentionArgs& a = g.forward;
  const int64_t count = keys.end - keys.begin, stride = vectors_of(a.head_dim) * kLanes;
  load_keys(g, kv, keys.begin, count, s);
  const int64_t group = a.heads / a.kv_heads;
  int64_t heads = group < kAttentionGradRows ? group : kAttentionGradRows;
  while (group % heads != 0) --heads;
  const int64_t tokens = queries.end - queries.begin, limit = kAttentionGradRows / heads;
  const int64_t parts = (tokens + limit - 1) / limit;
  for (int64_t head = kv * group; head < (kv + 1) * group; head += heads) {
    for (int64_t part = 0; part < parts; ++part) {
      attention_grad_queries(g,
                             {a, head, heads, queries.begin + tokens * part / parts,
                              queries.begin + tokens * (part + 1) / parts},
                             keys.begin, keys.end, s);
    }
  }
  if (g.dk) {
    add_key_gradient(s.dk, stride, count, a.head_dim,
                     g.dk + keys.begin * g.dk_stride + kv * g.dk_head_stride, g.dk_stride);
  }
  if (g.dv) {
    add_key_gradient(s.dv, stride, count, a.head_dim,
                     g.dv + keys.begin * g.dv_stride + kv * g.dv_head_stride, g.dv_stride);
  }
}
