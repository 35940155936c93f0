// Attention of a few queries (decode): keys and values are read once, as they lie, a head at a
// time. Included inside the set's namespace.
//
// The same blocks, lanes and running sums as in attention.inl.h, but a score is added up in kLanes
// chains, so results differ from those of many queries by rounding.

inline constexpr int64_t kFewAhead = 8;  // keys that are asked for ahead

template <class Stored>
inline void score_few(const AttentionRun& run, int64_t block, int64_t first, int64_t last,
                      const AttentionScratch& s) {
  const AttentionArgs& p = run.p;
  const std::byte* const k = static_cast<const std::byte*>(p.k);
  const int64_t rows = run.rows();
  for (int64_t key = first; key < last; ++key) {
    const int64_t number = key * p.k_stride + run.kv_head() * p.k_head_stride;
    const std::byte* const at = k + Stored::byte_of(number);
    const std::byte* const ahead = at + Stored::byte_of(kFewAhead * p.k_stride);
    for (int64_t b = 0; b < Stored::byte_of(p.head_dim); b += 64) prefetch(ahead + b);
    for (int64_t row = 0; row < rows; ++row) {
      const float* const q = s.q + row * kAStride;
      F total = zero();
      for (int64_t i = 0; i < p.head_dim; i += kLanes) {
        const int64_t n = p.head_dim - i < kLanes ? p.head_dim - i : kLanes;
        total = fma(Stored::at(at, i, n), load_first(q + i, n), total);
      }
      s.scores[row * kAStride + (key - block)] = sum(total);
    }
  }
}

template <class Stored, int V>
inline void add_few(const AttentionRun& run, int64_t block, int64_t first, int64_t last, int64_t i,
                    const AttentionScratch& s) {
  const AttentionArgs& p = run.p;
  const std::byte* const v = static_cast<const std::byte*>(p.v);
  for (int64_t row = 0; row < run.rows(); ++row) {
    F sums[V];
#pragma GCC unroll 4
    for (int c = 0; c < V; ++c) sums[c] = zero();
    for (int64_t key = first; key < last; ++key) {
      const std::byte* const at =
          v + Stored::byte_of(key * p.v_stride + run.kv_head() * p.v_head_stride);
      const std::byte* const ahead = at + Stored::byte_of(kFewAhead * p.v_stride + i);
      if (row == 0) {
        for (int64_t b = 0; b < Stored::byte_of(V * kLanes); b += 64) prefetch(ahead + b);
      }
      const F weight = set(s.scores[row * kAStride + (key - block)]);
#pragma GCC unroll 4
      for (int c = 0; c < V; ++c) {
        const int64_t from = i + c * kLanes, left = p.head_dim - from;
        sums[c] = fma(weight, Stored::at(at, from, left < kLanes ? left : kLanes), sums[c]);
      }
    }
    float* const out = s.out + row * kAStride + i;
#pragma GCC unroll 4
    for (int c = 0; c < V; ++c) store(out + c * kLanes, add(load(out + c * kLanes), sums[c]));
  }
}

template <class Stored>
inline void add_values_few(const AttentionRun& run, int64_t block, int64_t first, int64_t last,
                           const AttentionScratch& s) {
  int64_t i = 0;
  for (; i + 4 * kLanes <= run.p.head_dim; i += 4 * kLanes)
    add_few<Stored, 4>(run, block, first, last, i, s);
  for (; i < run.p.head_dim; i += kLanes) add_few<Stored, 1>(run, block, first, last, i, s);
}
