// Attention of prompts in bfloat16: queries (times the scale), keys, values and weights are rounded
// to it, sums are float32. Included inside the set's namespace, after all_kernels.inl.h.
//
// A set says bf16_pairs(), bf16_rows() and pair_dot(): Dots are kLanes pairs of numbers, which are
// multiplied and added up two at a time.
//
// Keys and values of a range and one key head are brought into the order of products once:
//   keys    blocks of 128, each as tiles of kPairTile keys: for every 2 numbers of the width a step
//           of kPairTile pairs
//   values  blocks of 128 keys: for every 2 keys a step of `width` pairs
// Blocks begin at multiples of 128 of the cache, and a row's sums run over the keys of a block in
// order: what a row gives depends on its own keys only. Spare keys are zeros.

inline constexpr int kPairRows = 6, kPairVectors = 4;
inline constexpr int64_t kPairTile = kPairVectors * kLanes;
inline constexpr int64_t kBF16Rows = 16 * kPairRows;
inline constexpr int64_t kQueryPairs = kMaxHeadDim / 2 + 16;  // from row to row
inline constexpr int64_t kWeightPairs = kKeys / 2 + 16;
inline constexpr float kLowestExponent = -300;  // 2^ of it is 0
static_assert(kKeys % kPairTile == 0);

struct PairShape {
  int64_t first, blocks, steps, width;  // the first block's first key; steps of one key
  int64_t key_block, value_block;       // pairs
  PairShape(const KeySpan& span, int64_t head_dim)
      : first(span.begin / kKeys * kKeys),
        blocks((span.end - first + kKeys - 1) / kKeys),
        steps((head_dim + 1) / 2),
        width(vectors_of(head_dim) * kLanes),
        key_block(kKeys * steps),
        value_block(kKeys / 2 * width) {}
  int64_t bytes() const { return blocks * (key_block + value_block) * 4; }
  const uint32_t* values(const uint32_t* keys) const { return keys + blocks * key_block; }
};

inline int64_t bf16_bytes(const KeySpan& span, int64_t head_dim) {
  return PairShape(span, head_dim).bytes();
}

inline void store_pairs(uint32_t* p, Dots a) {
  dots_store(reinterpret_cast<int32_t*>(p), a);
}

// --- keys ---
template <class Stored>
inline void encode_bf16_of(const AttentionArgs& p, const CodedKeys& keys) {
  const PairShape shape(keys.span, p.head_dim);
  const int64_t width = p.head_dim;
  const auto rows_of = [&](const void* base, int64_t stride, int64_t head_stride) {
    return [=](int64_t key, int64_t i) {
      if (key < keys.span.begin || key >= keys.span.end || i >= width) return zero();
      const std::byte* const row = static_cast<const std::byte*>(base) +
                                   Stored::byte_of(keys.kv_head * head_stride + key * stride);
      return Stored::at(row, i, width - i < kLanes ? width - i : kLanes);
    };
  };
  const auto k = rows_of(p.k, p.k_stride, p.k_head_stride);
  const auto v = rows_of(p.v, p.v_stride, p.v_head_stride);
  uint32_t* to = reinterpret_cast<uint32_t*>(keys.memory);
  for (int64_t key = 0; key < shape.blocks * kKeys; key += kLanes) {
    uint32_t* const tile = to + key / kPairTile * kPairTile * shape.steps + key % kPairTile;
    for (int64_t step = 0; step < shape.steps; step += kLanes) {
      F lanes[kLanes];  // of pairs, moved as floats are, never computed with
      for (int64_t j = 0; j < kLanes; ++j) {
        const int64_t row = shape.first + key + j;
        lanes[j] = as_floats(bf16_rows(k(row, 2 * step), k(row, 2 * step + kLanes)));
      }
      transpose(lanes);
      for (int64_t i = 0; i < kLanes && step + i < shape.steps; ++i) {
        store(reinterpret_cast<float*>(tile + (step + i) * kPairTile), lanes[i]);
      }
    }
  }
  to += shape.blocks * shape.key_block;
  for (int64_t key = shape.first; key < shape.first + shape.blocks * kKeys; key += 2) {
    for (int64_t i = 0; i < shape.width; i += kLanes, to += kLanes) {
      store_pairs(to, bf16_pairs(v(key, i), v(key + 1, i)));
    }
  }
}

inline void encode_bf16(const AttentionArgs& p, const CodedKeys& keys) {
  if (keys.span.end <= keys.span.begin) return;
  with_stored(p.keys, [&](auto stored) { encode_bf16_of<decltype(stored)>(p, keys); });
}

// --- queries ---
struct PairScratch {
  uint32_t* q;        // [kBF16Rows][kQueryPairs], times scale * log2 e
  float* out;         // [kBF16Rows][the shape's width]
  float* most;        // [kBF16Rows]: the largest score so far
  float* total;       // [kBF16Rows][kLanes]: parts of the sum of weights
  float* scores;      // [kPairRows][kKeys]
  uint32_t* weights;  // [kPairRows][kWeightPairs]
  float* before;      // [kLanes]: what a tile's earlier sums are multiplied with

  explicit PairScratch(float* p) {
    const auto take = [&](int64_t count) { return (p += count) - count; };
    q = reinterpret_cast<uint32_t*>(take(kBF16Rows * kQueryPairs));
    out = take(kBF16Rows * kMaxHeadDim);
    most = take(kBF16Rows);
    total = take(kBF16Rows * kLanes);
    scores = take(kPairRows * kKeys);
    weights = reinterpret_cast<uint32_t*>(take(kPairRows * kWeightPairs));
    before = take(kLanes);
  }
};
static_assert(kBF16Rows * (kQueryPairs + kMaxHeadDim + kLanes + 1) + 4 * kPairRows * kKeys <
              kScratchFloats);
static_assert(kBF16Rows % 16 == 0 && kPairRows <= kLanes);

// R rows of `steps` pairs times V vectors of columns, `stride` pairs from step to step.
template <int R, int V>
inline void pair_dots(const uint32_t* a, int64_t a_stride, const uint32_t* b, int64_t b_stride,
                      int64_t steps, F (&sums)[R][V]) {
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sums[r][v] = zero();
  }
  for (; steps > 0; --steps, ++a, b += b_stride) {
    Dots at[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) at[v] = dot_columns(b + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Dots splat = dot_splat(a + r * a_stride);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sums[r][v] = pair_dot(sums[r][v], splat, at[v]);
    }
  }
}

template <int R>
inline void score_pairs(const PairScratch& s, const PairShape& shape, const uint32_t* keys,
                        int64_t row, int64_t key) {
  F sums[R][kPairVectors];
  pair_dots(s.q + row * kQueryPairs, kQueryPairs, keys, kPairTile, shape.steps, sums);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kPairVectors; ++v)
      store(s.scores + r * kKeys + key + v * kLanes, sums[r][v]);
  }
}

// Scores in columns [c0, c1) outside of [begin, end) count for nothing.
inline void hide_scores(float* scores, int64_t c0, int64_t c1, int64_t begin, int64_t end) {
  for (int64_t c = c0; c < c1; c += kLanes) {
    if (c >= begin && c + kLanes <= end) continue;
    const F none = set(codes::kNoScore);
    const F x = if_less(load(kLaneNumbers), set(float(begin - c)), none, load(scores + c));
    store(scores + c, first_or(x, end - c, codes::kNoScore));
  }
}

// Weights of R rows, 255 * 2^(score - the largest so far), for columns [c0, c1) of a block, whole
// pairs of vectors. One step for all rows and then the next, so that none waits for another.
template <int R>
inline void weigh_pairs(const PairScratch& s, int64_t row, int64_t c0, int64_t c1) {
  float gap[kLanes] = {};
  for (int r = 0; r < R; ++r) {
    F top = set(s.most[row + r]);
    for (int64_t c = c0; c < c1; c += kLanes) top = max(top, load(s.scores + r * kKeys + c));
    const float now = largest(top);
    gap[r] = s.most[row + r] - now;
    s.most[row + r] = now;
  }
  store(s.before, div(exp2_255(load(gap), kLowestExponent), set(codes::kMostCode)));
  for (int r = 0; r < R; ++r) {
    const F most = set(s.most[row + r]);
    F low_total = zero(), high_total = zero();
    for (int64_t c = c0; c < c1; c += 2 * kLanes) {
      const float* const from = s.scores + r * kKeys + c;
      const F low = exp2_255(sub(load(from), most), kLowestExponent);
      const F high = exp2_255(sub(load(from + kLanes), most), kLowestExponent);
      low_total = add(low_total, low);
      high_total = add(high_total, high);
      store_pairs(s.weights + r * kWeightPairs + c / 2, bf16_rows(low, high));
    }
    float* const total = s.total + (row + r) * kLanes;
    store(total, fma(load(total), set(s.before[r]), add(low_total, high_total)));
  }
}

// The same rows' weights of pairs of keys [k0, k1) times V vectors of values from column i on.
template <int R, int V>
inline void add_pairs(const PairScratch& s, const PairShape& shape, const uint32_t* values,
                      int64_t row, int64_t k0, int64_t k1, int64_t i) {
  F sums[R][V];
  pair_dots(s.weights + k0, kWeightPairs, values + k0 * shape.width + i, shape.width, k1 - k0,
            sums);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const F before = set(s.before[r]);
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      float* const to = s.out + (row + r) * shape.width + i + v * kLanes;
      store(to, fma(load(to), before, sums[r][v]));
    }
  }
}

// Columns [begin, end) of one block, which some of R rows see.
template <int R>
[[gnu::noinline]] void attend_pairs(const AttentionRun& run, const PairScratch& s,
                                    const PairShape& shape, const uint32_t* keys, int64_t block,
                                    int64_t row, int64_t begin, int64_t end) {
  const int64_t first = shape.first + block * kKeys, c0 = begin / (2 * kLanes) * 2 * kLanes;
  const int64_t c1 = (end + 2 * kLanes - 1) / (2 * kLanes) * 2 * kLanes;
  for (int64_t key = begin / kPairTile * kPairTile; key < end; key += kPairTile) {
    score_pairs<R>(s, shape, keys + block * shape.key_block + key * shape.steps, row, key);
  }
  for (int r = 0; r < R; ++r) {
    const KeySpan seen = run.range(row + r);
    if (seen.begin <= first + c0 && seen.end >= first + c1) continue;
    hide_scores(s.scores + r * kKeys, c0, c1, seen.begin - first, seen.end - first);
  }
  weigh_pairs<R>(s, row, c0, c1);
  const uint32_t* const values = shape.values(keys) + block * shape.value_block;
  int64_t i = 0;
  for (; i + kPairTile <= shape.width; i += kPairTile) {
    add_pairs<R, kPairVectors>(s, shape, values, row, c0 / 2, c1 / 2, i);
  }
  for (; i < shape.width; i += kLanes) {
    add_pairs<R, 1>(s, shape, values, row, c0 / 2, c1 / 2, i);
  }
}

template <int R = kPairRows>
inline void attend_pair_rows(int64_t rows, const AttentionRun& run, const PairScratch& s,
                             const PairShape& shape, const uint32_t* keys, int64_t block,
                             int64_t row, int64_t begin, int64_t end) {
  if constexpr (R > 0) {
    if (rows == R) return attend_pairs<R>(run, s, shape, keys, block, row, begin, end);
    attend_pair_rows<R - 1>(rows, run, s, shape, keys, block, row, begin, end);
  }
}

inline void load_pair_queries(const AttentionRun& run, int64_t width, const PairScratch& s) {
  const AttentionArgs& p = run.p;
  const F scale = set(p.scale * codes::kLog2E);
  for (int64_t row = 0; row < run.rows(); ++row) {
    const float* const q = p.q + (run.t0 + row / run.heads) * p.q_stride +
                           (run.head + row % run.heads) * p.q_head_stride;
    // Rows of a head are too far apart for the processor to guess. (Past the end it does no harm.)
    const float* const later = q + kRowsAhead / run.heads * p.q_stride;
    for (int64_t i = 0; i < p.head_dim; i += 16) __builtin_prefetch(later + i);
    const auto at = [&](int64_t i) {
      return i < p.head_dim ? mul(load_first(q + i, p.head_dim - i), scale) : zero();
    };
    for (int64_t i = 0; i < p.head_dim; i += 2 * kLanes) {
      store_pairs(s.q + row * kQueryPairs + i / 2, bf16_rows(at(i), at(i + kLanes)));
    }
    for (int64_t i = 0; i < width; i += kLanes) store(s.out + row * width + i, zero());
    store(s.total + row * kLanes, zero());
    s.most[row] = codes::kNoScore;
  }
}

inline void attend_bf16(const AttentionArgs& p, const CodedKeys& keys, const QueryBlock& b,
                        float* scratch) {
  const PairScratch s(scratch);
  const PairShape shape(keys.span, p.head_dim);
  const AttentionRun run{p, b.head, b.heads, b.t0, b.t1};
  const int64_t rows = run.rows(), parts = (rows + kPairRows - 1) / kPairRows;
  load_pair_queries(run, shape.width, s);
  for (int64_t block = 0; block < shape.blocks; ++block) {
    const int64_t first = shape.first + block * kKeys;
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t row = rows * part / parts, end = rows * (part + 1) / parts;
      const KeySpan seen =
          AttentionRun{p, b.head, b.heads, b.t0 + row / b.heads, b.t0 + (end - 1) / b.heads + 1}
              .keys();
      const int64_t k0 = seen.begin > first ? seen.begin - first : 0;
      const int64_t k1 = seen.end < first + kKeys ? seen.end - first : kKeys;
      if (k0 >= k1) continue;
      attend_pair_rows(end - row, run, s, shape, reinterpret_cast<const uint32_t*>(keys.memory),
                       block, row, k0, k1);
    }
  }
  for (int64_t row = 0; row < rows; ++row) {
    const KeySpan seen = run.range(row);
    const F factor = set(seen.end > seen.begin ? 1.0f / sum(load(s.total + row * kLanes)) : 0.0f);
    const float* const from = s.out + row * shape.width;
    map_row(p.head_dim,
            p.out + (b.t0 + row / b.heads) * p.out_stride +
                (b.head + row % b.heads) * p.out_head_stride,
            [=](int64_t i, int64_t) { return mul(load(from + i), factor); });
  }
}

inline constexpr CodedAttention kAttentionBF16 = {kBF16Rows, bf16_bytes, encode_bf16, attend_bf16};
