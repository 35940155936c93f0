// Attention of a few queries (decode): keys and values are read once, as they lie, a head at a
// time. Included inside the set's namespace.
//
// The same blocks, lanes and running sums as in attention.inl.h, but a score is added up in kLanes
// chains, so results differ from those of many queries by rounding.

// Memory is asked for a block ahead: values with the scores of their keys, and with the values the
// keys of the next block, or of the next head where the range ends.
template <class Stored>
inline void ask_for(const std::byte* row, int64_t head_dim) {
  for (int64_t b = 0; b < Stored::byte_of(head_dim); b += 64) prefetch(row + b);
}
template <class Stored>
inline const std::byte* value_rows(const AttentionRun& run) {
  return static_cast<const std::byte*>(run.p.v) +
         Stored::byte_of(run.kv_head() * run.p.v_head_stride);
}
// Where the keys begin that are used a block after those from `first` on.
template <class Stored>
inline const std::byte* keys_after(const AttentionRun& run, int64_t first) {
  const AttentionArgs& p = run.p;
  const KeySpan seen = run.range(run.rows() - 1);
  const bool last = first + kKeys >= seen.end;
  const int64_t head = run.kv_head() + (last ? 1 : 0), row = last ? seen.begin : first + kKeys;
  return static_cast<const std::byte*>(p.k) +
         Stored::byte_of(head * p.k_head_stride + row * p.k_stride);
}

// The sums of kLanes vectors, each in its lane.
inline F sums_of(F* totals) {
  transpose(totals);
#pragma GCC unroll 4
  for (int step = kLanes / 2; step > 0; step /= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < step; ++i) totals[i] = add(totals[i], totals[i + step]);
  }
  return totals[0];
}

// Scores of one row with kLanes keys; key_at(j, i, n) gives n numbers of key j from number i on.
template <class KeyAt>
inline F score_group(const float* q, int64_t head_dim, KeyAt key_at) {
  F totals[kLanes];
#pragma GCC unroll 16
  for (int j = 0; j < kLanes; ++j) totals[j] = zero();
  for (int64_t i = 0; i < head_dim; i += kLanes) {
    const int64_t n = head_dim - i < kLanes ? head_dim - i : kLanes;
    const F part = load_first(q + i, n);
#pragma GCC unroll 16
    for (int j = 0; j < kLanes; ++j) totals[j] = fma(key_at(j, i, n), part, totals[j]);
  }
  return sums_of(totals);
}

// kLanes keys at a time. Several rows share their numbers as float32.
template <class Stored>
inline void score_few(const AttentionRun& run, int64_t block, int64_t first, int64_t last,
                      const AttentionScratch& s) {
  const AttentionArgs& p = run.p;
  const std::byte* const k =
      static_cast<const std::byte*>(p.k) + Stored::byte_of(run.kv_head() * p.k_head_stride);
  const std::byte* const v = value_rows<Stored>(run);
  const int64_t rows = run.rows(), width = vectors_of(p.head_dim) * kLanes;
  for (int64_t c = (first - block) / kLanes * kLanes; block + c < last; c += kLanes) {
    const std::byte* at[kLanes];
    for (int64_t j = 0; j < kLanes; ++j) {
      // Scores of keys outside of [first, last) are not used.
      const int64_t wanted = block + c + j;
      const int64_t key = wanted < first ? first : wanted < last ? wanted : last - 1;
      at[j] = k + Stored::byte_of(key * p.k_stride);
      ask_for<Stored>(v + Stored::byte_of(key * p.v_stride), p.head_dim);
    }
    if (rows == 1) {
      store(s.scores + c, score_group(s.q, p.head_dim, [&](int64_t j, int64_t i, int64_t n) {
              return Stored::at(at[j], i, n);
            }));
      continue;
    }
    for (int64_t j = 0; j < kLanes; ++j) {
      for (int64_t i = 0; i < p.head_dim; i += kLanes) {
        const int64_t n = p.head_dim - i < kLanes ? p.head_dim - i : kLanes;
        store(s.panels + j * width + i, Stored::at(at[j], i, n));
      }
    }
    for (int64_t row = 0; row < rows; ++row) {
      store(s.scores + row * kAStride + c,
            score_group(s.q + row * kAStride, p.head_dim, [&](int64_t j, int64_t i, int64_t) {
              return load(s.panels + j * width + i);
            }));
    }
  }
}
static_assert(kLanes <= kKeys, "a group of keys fits into the panels");

// Numbers [i, i + V kLanes) of R rows.
template <class Stored, int V, int R>
inline void add_few(const AttentionRun& run, int64_t block, int64_t first, int64_t last, int64_t i,
                    int64_t row, const AttentionScratch& s) {
  const AttentionArgs& p = run.p;
  const std::byte* const v = value_rows<Stored>(run);
  const std::byte* const after = keys_after<Stored>(run, first);
  const int64_t key_bytes = Stored::byte_of(p.k_stride);
  const bool ask = row == 0 && i == 0;
  F sums[R][V];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < V; ++c) sums[r][c] = zero();
  }
  for (int64_t key = first; key < last; ++key) {
    const std::byte* const at = v + Stored::byte_of(key * p.v_stride);
    if (ask) ask_for<Stored>(after + (key - first) * key_bytes, p.head_dim);
    F values[V];
#pragma GCC unroll 4
    for (int c = 0; c < V; ++c) {
      const int64_t from = i + c * kLanes, left = p.head_dim - from;
      values[c] = Stored::at(at, from, left < kLanes ? left : kLanes);
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const F weight = set(s.scores[(row + r) * kAStride + (key - block)]);
#pragma GCC unroll 4
      for (int c = 0; c < V; ++c) sums[r][c] = fma(weight, values[c], sums[r][c]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    float* const out = s.out + (row + r) * kAStride + i;
#pragma GCC unroll 4
    for (int c = 0; c < V; ++c) store(out + c * kLanes, add(load(out + c * kLanes), sums[r][c]));
  }
}

template <class Stored, int V>
inline void add_few_rows(const AttentionRun& run, int64_t block, int64_t first, int64_t last,
                         int64_t i, const AttentionScratch& s) {
  constexpr int kRows = kRegisters >= 32 ? 4 : 2;
  int64_t row = 0;
  for (; row + kRows <= run.rows(); row += kRows)
    add_few<Stored, V, kRows>(run, block, first, last, i, row, s);
  switch (run.rows() - row) {
    case 3:
      return add_few<Stored, V, 3>(run, block, first, last, i, row, s);
    case 2:
      return add_few<Stored, V, 2>(run, block, first, last, i, row, s);
    case 1:
      return add_few<Stored, V, 1>(run, block, first, last, i, row, s);
  }
}

template <class Stored>
inline void add_values_few(const AttentionRun& run, int64_t block, int64_t first, int64_t last,
                           const AttentionScratch& s) {
  int64_t i = 0;
  for (; i + 4 * kLanes <= run.p.head_dim; i += 4 * kLanes)
    add_few_rows<Stored, 4>(run, block, first, last, i, s);
  for (; i < run.p.head_dim; i += kLanes) add_few_rows<Stored, 1>(run, block, first, last, i, s);
}
