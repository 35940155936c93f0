// Attention over blocks of queries and keys with a running maximum and sum; the score matrix is
// never stored. Included inside the set's namespace.
//
// Rows are (query, head) pairs whose heads share one key head. Key blocks begin at multiples of
// kKeys and a row's sums run over the columns of a block in fixed lanes: what a row gives depends
// on its own keys only, not on the rows beside it. (Jobs of at most kFewRows queries:
// attention_few.)

inline constexpr int64_t kKeys = 128;
// Rows whose scores are there at a time, and those of one piece: a block of keys is turned once for
// all of them.
inline constexpr int64_t kScoreRows = 112 / kTileRows * kTileRows;
inline constexpr int64_t kAttentionRows = 4 * kScoreRows;

struct AttentionScratch {
  float* q;       // [kAttentionRows][kAStride], times the scale
  float* scores;  // [kScoreRows][kAStride]
  float* out;     // [kAttentionRows][kAStride]
  float* panels;  // [kKeys / kTileColumns][head_dim][kTileColumns]: keys, turned
  float* values;  // [kKeys][head_dim rounded up to kLanes]
  float* most;    // [kAttentionRows]: the largest score so far
  float* total;   // [kAttentionRows]: the sum of e^(score - most)

  explicit AttentionScratch(float* p) {
    const auto take = [&](int64_t count) { return (p += count) - count; };
    q = take(kAttentionRows * kAStride);
    scores = take(kScoreRows * kAStride);
    out = take(kAttentionRows * kAStride);
    panels = take(kKeys * kMaxHeadDim);
    values = take(kKeys * kMaxHeadDim);
    most = take(kAttentionRows);
    total = take(kAttentionRows);
  }
  // The same with `row` as the first row.
  AttentionScratch from(int64_t row) const {
    AttentionScratch s = *this;
    s.q += row * kAStride;
    s.out += row * kAStride;
    s.most += row;
    s.total += row;
    return s;
  }
};
static_assert(kKeys % kTileColumns == 0 && (2 * kAttentionRows + kScoreRows) * kAStride +
                                                   2 * kKeys * kMaxHeadDim + 2 * kAttentionRows <=
                                               kScratchFloats);

// Queries [t0, t1) of heads [head, head + heads).
struct AttentionRun {
  const AttentionArgs& p;
  int64_t head, heads, t0, t1;
  int64_t rows() const { return (t1 - t0) * heads; }
  int64_t kv_head() const { return head / (p.heads / p.kv_heads); }
  KeySpan range(int64_t row) const { return p.ranges[t0 + row / heads]; }
  // What its queries see together.
  KeySpan keys() const {
    KeySpan all = p.ranges[t0];
    for (int64_t t = t0 + 1; t < t1; ++t) {
      all.begin = p.ranges[t].begin < all.begin ? p.ranges[t].begin : all.begin;
      all.end = p.ranges[t].end > all.end ? p.ranges[t].end : all.end;
    }
    return all;
  }
};

inline int64_t vectors_of(int64_t columns) {
  return (columns + kLanes - 1) / kLanes;
}

inline void load_queries(const AttentionRun& run, const AttentionScratch& s) {
  const AttentionArgs& p = run.p;
  for (int64_t row = 0; row < run.rows(); ++row) {
    const float* const q = p.q + (run.t0 + row / run.heads) * p.q_stride +
                           (run.head + row % run.heads) * p.q_head_stride;
    map_row(p.head_dim, s.q + row * kAStride,
            [&](int64_t i, int64_t n) { return mul(load_first(q + i, n), set(p.scale)); });
    for (int64_t i = 0; i < p.head_dim; i += kLanes) store(s.out + row * kAStride + i, zero());
    s.most[row] = -__builtin_inff();
    s.total[row] = 0;
  }
}

// Keys [first, last) of a block and their values as products take them; the spare keys of a panel
// are zeros.
template <class Stored>
inline void load_keys(const AttentionRun& run, int64_t block, int64_t first, int64_t last,
                      const AttentionScratch& s) {
  const AttentionArgs& p = run.p;
  const std::byte* const k =
      static_cast<const std::byte*>(p.k) + Stored::byte_of(run.kv_head() * p.k_head_stride);
  const std::byte* const v =
      static_cast<const std::byte*>(p.v) + Stored::byte_of(run.kv_head() * p.v_head_stride);
  for (int64_t c = (first - block) / kTileColumns * kTileColumns; block + c < last;
       c += kTileColumns) {
    pack_panel(
        [&](int64_t column, int64_t i, int64_t n) {
          const int64_t key = block + c + column;
          if (key < first || key >= last) return zero();
          return Stored::at(k + Stored::byte_of(key * p.k_stride), i, n);
        },
        kTileColumns, p.head_dim, s.panels + c * p.head_dim);
  }
  const int64_t stride = vectors_of(p.head_dim) * kLanes;
  for (int64_t key = first; key < last; ++key) {
    const std::byte* const at = v + Stored::byte_of(key * p.v_stride);
    float* const to = s.values + (key - block) * stride;
    for (int64_t i = 0; i < p.head_dim; i += kLanes) {
      store(to + i, Stored::at(at, i, p.head_dim - i < kLanes ? p.head_dim - i : kLanes));
    }
  }
}

// scores[row][key - block] for keys [first, last), and for the others of their panels.
inline void score_block(const AttentionRun& run, int64_t block, int64_t first, int64_t last,
                        const AttentionScratch& s) {
  const int64_t width = run.p.head_dim;
  for (int64_t c = (first - block) / kTileColumns * kTileColumns; block + c < last;
       c += kTileColumns) {
    tiles(run.rows(), kTileVectors,
          {s.q, s.panels + c * width, kTileColumns, width, s.scores + c, kAStride, false});
  }
}

// Turns the scores of one row, columns [begin, end) of which it may see, into e^(score - most) over
// columns [c0, c1) (multiples of kLanes) and brings its other state up to date.
inline void soften_row(int64_t row, int64_t begin, int64_t end, int64_t c0, int64_t c1,
                       int64_t head_dim, const AttentionScratch& s) {
  float* const scores = s.scores + row * kAStride;
  if (begin >= end) {
    for (int64_t c = c0; c < c1; c += kLanes) store(scores + c, zero());
    return;
  }
  for (int64_t c = c0; c < begin; ++c) scores[c] = -__builtin_inff();
  for (int64_t c = end; c < c1; ++c) scores[c] = -__builtin_inff();
  F most = set(s.most[row]);
  for (int64_t c = c0; c < c1; c += kLanes) most = max(most, load(scores + c));
  const float before = s.most[row], now = largest(most);
  most = set(now);
  F total = zero();
  for (int64_t c = c0; c < c1; c += kLanes) {
    const F e = exp(sub(load(scores + c), most));
    store(scores + c, e);
    total = add(total, e);
  }
  if (now != before) {
    float lanes[kLanes];
    const F factor = exp(sub(set(before), most));
    store(lanes, factor);
    float* const out = s.out + row * kAStride;
    for (int64_t i = 0; i < head_dim; i += kLanes) store(out + i, mul(load(out + i), factor));
    s.total[row] *= lanes[0];
    s.most[row] = now;
  }
  s.total[row] += sum(total);
}

// out += e^(..) V for keys [first, last).
inline void add_values(const AttentionRun& run, int64_t block, int64_t first, int64_t last,
                       const AttentionScratch& s) {
  const AttentionArgs& p = run.p;
  const int64_t stride = vectors_of(p.head_dim) * kLanes, from = first - block;
  for (int64_t i = 0; i < p.head_dim; i += kTileColumns) {
    const int64_t columns = p.head_dim - i < kTileColumns ? p.head_dim - i : kTileColumns;
    tiles(run.rows(), vectors_of(columns),
          {s.scores + from, s.values + from * stride + i, stride, last - first, s.out + i, kAStride,
           true});
  }
}

inline void finish_attention(const AttentionRun& run, const AttentionScratch& s) {
  const AttentionArgs& p = run.p;
  for (int64_t row = 0; row < run.rows(); ++row) {
    const int64_t t = run.t0 + row / run.heads, h = run.head + row % run.heads;
    const float total = s.total[row];
    const F factor = set(total > 0 ? 1.0f / total : total);  // zero for no keys, NaN stays
    const float* const from = s.out + row * kAStride;
    map_row(p.head_dim, p.out + t * p.out_stride + h * p.out_head_stride,
            [=](int64_t i, int64_t) { return mul(load(from + i), factor); });
    if (p.log_sum_exp) p.log_sum_exp[t * p.heads + h] = s.most[row] + __builtin_logf(total);
  }
}
