// Attention in 8 bits over coded keys (attention_keys.inl.h): whole numbers in register tiles, a
// block of 128 keys at a time. encoding/attention_codes.h defines the result bit for bit. Included
// inside the set's namespace.
//
// A set says how it multiplies weights (codes 0 .. 255, kept as DotX) with values (DotW, which add
// kValueBias): value_dot(), and store_probs() for a vector of codes.

inline constexpr int64_t kCodedRows = 8 * kPackedRows;
inline constexpr int64_t kQueryStride = kMaxHeadDim + 64 / int64_t(sizeof(CodeX));
inline constexpr int64_t kBlockVectors = codes::kBlock / kLanes;
static_assert(kPackedRows <= kLanes);

struct CodedScratch {
  CodeX* q;        // [kCodedRows][kQueryStride]
  int32_t* start;  // [kCodedRows]: what the sums of a row's scores begin with, for kPackedBias
  float* factor;   // [kCodedRows], and kLanes that whole vectors may touch
  float* most;     // the same
  float* total;    // the same
  float* out;      // [kCodedRows][the shape's width]
  // Of one tile's rows and one block:
  float* scores;               // [kPackedRows][codes::kBlock]: x
  float* top;                  // [kPackedRows][kLanes]: the largest of every kLanes-th score
  DotX* probs;                 // [kPackedRows][codes::kBlock]
  float *sums, *before, *now;  // [kLanes]: T, a and c

  explicit CodedScratch(float* p) {
    const auto take = [&](int64_t bytes) {
      return (p += (bytes + 63) / 64 * 16) - (bytes + 63) / 64 * 16;
    };
    q = reinterpret_cast<CodeX*>(take(kCodedRows * kQueryStride * int64_t(sizeof(CodeX))));
    start = reinterpret_cast<int32_t*>(take(kCodedRows * 4));
    factor = take((kCodedRows + kLanes) * 4);
    most = take((kCodedRows + kLanes) * 4);
    total = take((kCodedRows + kLanes) * 4);
    out = take(kCodedRows * kMaxHeadDim * 4);
    scores = take(kPackedRows * codes::kBlock * 4);
    top = take(kPackedRows * kLanes * 4);
    probs = reinterpret_cast<DotX*>(take(kPackedRows * codes::kBlock * int64_t(sizeof(DotX))));
    sums = take(kLanes * 4);
    before = take(kLanes * 4);
    now = take(kLanes * 4);
  }
};
static_assert(kCodedRows * (kQueryStride + kMaxHeadDim + 64) +
                  kPackedRows * (codes::kBlock * 2 + kLanes) + 64 * 16 + 3 * kLanes <=
              kScratchFloats);

inline constexpr float kLaneNumbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static_assert(kLanes <= 16);

// `a` with another number from lane n on.
inline F first_or(F a, int64_t n, float other) {
  return if_less(load(kLaneNumbers), set(float(n)), a, set(other));
}

// 255 * 2^u
template <class V>
inline V exp2_255(V u, float lowest) {
  const V at = max(V(set(lowest)), u);
  const V n = nearest(at), f = sub(at, n);
  const V p = fma(fma(V(set(codes::kExp3)), f, V(set(codes::kExp2))), f, V(set(codes::kExp1)));
  return times_exp2(fma(p, f, V(set(codes::kMostCode))), n);
}

// Scores of R queries and one tile of keys, from column `key` of the block on.
template <int R>
inline void score_tile(const CodedScratch& s, int64_t row, const PanelW* keys, int64_t steps,
                       const float* scales, int64_t key) {
  Dots dots[R][kPackedVectors];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const Dots first = kPackedBias ? dots_set(s.start[row + r]) : dots_zero();
#pragma GCC unroll 4
    for (int v = 0; v < kPackedVectors; ++v) dots[r][v] = first;
  }
  const CodeX* q = s.q + row * kQueryStride;
  for (; steps > 0; --steps, keys += kTileStep, q += kDotDepth) {
    DotVector at[kPackedVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kPackedVectors; ++v) at[v] = dot_columns(keys + v * kLanes * kDotDepth);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const DotVector splat = dot_splat(q + r * kQueryStride);
#pragma GCC unroll 4
      for (int v = 0; v < kPackedVectors; ++v) dots[r][v] = dot(dots[r][v], at[v], splat);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    float* const to = s.scores + r * codes::kBlock + key;
    F top = key > 0 ? load(s.top + r * kLanes) : set(codes::kNoScore);
#pragma GCC unroll 4
    for (int v = 0; v < kPackedVectors; ++v) {
      const F x = mul(dots_float(dots[r][v]), load(scales + key + v * kLanes));
      top = max(top, x);
      store(to + v * kLanes, x);
    }
    store(s.top + r * kLanes, top);
  }
}

// A row's weights of `count` keys from its scores, the largest of which is `most`. Returns kLanes
// parts of T.
template <bool kWhole>
inline Dots weigh_row(const float* scores, int64_t count, float most, float factor, DotX* probs) {
  static_assert(kBlockVectors % kMany == 0);
  const Many<> from(set(most)), times(set(factor));
  Dots total = dots_zero();
#pragma GCC unroll 4
  for (int i = 0; i < kBlockVectors; i += kMany) {
    const Many<> x = load_many(scores + i * kLanes);
    const Many<> p = exp2_255(mul(sub(x, from), times), codes::kLowest);
#pragma GCC unroll 8
    for (int v = 0; v < kMany; ++v) {
      const F some = kWhole ? p.v[v] : first_or(p.v[v], count - (i + v) * kLanes, 0);
      const Dots code = dots_nearest(some);
      total = dots_add(total, code);
      store_probs(probs + (i + v) * kLanes, code);
    }
  }
  return total;
}

// Stores `a` in the first R lanes, what was there in the others: they are other tiles' rows.
template <int R>
inline void store_rows(float* p, F a, F old) {
  store(p, if_less(load(kLaneNumbers), set(float(R)), a, old));
}

// Weights of R rows from `row` on from their scores in one block. One step for all rows and then
// the next, so that none waits for another; what is one number a row is a lane a row.
template <int R>
inline void weigh_rows(const CodedScratch& s, int64_t row, int64_t count) {
  float tops[kLanes] = {};
  const bool whole = count == codes::kBlock;
  for (int r = 0; r < R; ++r) {
    F top = load(s.top + r * kLanes);
    if (!whole) {
      top = set(codes::kNoScore);
      for (int64_t i = 0; i < count; i += kLanes) {
        const F x = load(s.scores + r * codes::kBlock + i);
        top = max(top, first_or(x, count - i, codes::kNoScore));
      }
    }
    tops[r] = largest(top);
  }
  for (int r = 0; r < R; ++r) {
    const float* const scores = s.scores + r * codes::kBlock;
    DotX* const probs = s.probs + r * codes::kBlock;
    const float factor = s.factor[row + r];
    s.sums[r] = sum(dots_float(whole ? weigh_row<true>(scores, count, tops[r], factor, probs)
                                     : weigh_row<false>(scores, count, tops[r], factor, probs)));
  }
  const F one = set(1.0f), most = load(s.most + row), here = load(tops);
  const F gap = sub(zero(), mul(abs(sub(here, most)), load(s.factor + row)));
  const F e = div(exp2_255(gap, codes::kLowestFactor), set(codes::kMostCode));
  const F before = if_less(most, here, e, one), now = if_less(most, here, one, e);
  const F total = load(s.total + row);
  store(s.before, before);
  store(s.now, now);
  store_rows<R>(s.most + row, if_less(most, here, here, most), most);
  store_rows<R>(s.total + row, fma(now, load(s.sums), mul(total, before)), total);
}

// R rows of weights of `steps` * kDotDepth keys times V vectors of values, added to the rows' sums.
template <int R, int V>
inline void value_tile(const CodedScratch& s, const DotW* values, int64_t width, int64_t steps,
                       float* out) {
  Dots dots[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const Dots first = kValueBias ? dots_set(-kValueBias * int32_t(s.sums[r])) : dots_zero();
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) dots[r][v] = first;
  }
  const DotX* probs = s.probs;
  for (int64_t i = steps; i > 0; --i, values += width * kDotDepth, probs += kDotDepth) {
    DotVector at[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) at[v] = dot_columns(values + v * kLanes * kDotDepth);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const DotVector splat = dot_splat(probs + r * codes::kBlock);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) dots[r][v] = value_dot(dots[r][v], splat, at[v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const F before = set(s.before[r]), now = set(s.now[r]);
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      float* const to = out + r * width + v * kLanes;
      store(to, fma(now, dots_float(dots[r][v]), mul(load(to), before)));
    }
  }
}

// One block of keys for R rows.
template <int R>
[[gnu::noinline]] void coded_tile(const CodedScratch& s, const CodedShape& shape,
                                  const std::byte* memory, int64_t block, int64_t count,
                                  int64_t row) {
  const PanelW* const keys = reinterpret_cast<const PanelW*>(memory) + block * shape.key_block;
  const float* const scales =
      reinterpret_cast<const float*>(memory + shape.scales) + block * codes::kBlock;
  for (int64_t key = 0; key < count; key += kKeyTile) {
    score_tile<R>(s, row, keys + key * shape.steps * kDotDepth, shape.steps, scales, key);
  }
  weigh_rows<R>(s, row, count);
  const DotW* const values =
      reinterpret_cast<const DotW*>(memory + shape.values) + block * shape.value_block;
  const int64_t steps = (count + kDotDepth - 1) / kDotDepth;
  float* const out = s.out + row * shape.width;
  int64_t i = 0;
  for (; i + kKeyTile <= shape.width; i += kKeyTile) {
    value_tile<R, kPackedVectors>(s, values + i * kDotDepth, shape.width, steps, out + i);
  }
  for (; i < shape.width; i += kLanes) {
    value_tile<R, 1>(s, values + i * kDotDepth, shape.width, steps, out + i);
  }
}

template <int R = kPackedRows>
inline void coded_tile_rows(int64_t rows, const CodedScratch& s, const CodedShape& shape,
                            const std::byte* memory, int64_t block, int64_t count, int64_t row) {
  if constexpr (R > 0) {
    if (rows == R) return coded_tile<R>(s, shape, memory, block, count, row);
    coded_tile_rows<R - 1>(rows, s, shape, memory, block, count, row);
  }
}

inline void load_coded_queries(const AttentionArgs& p, const QueryBlock& b, int64_t width,
                               const CodedScratch& s) {
  const int64_t rows = (b.t1 - b.t0) * b.heads;
  const float scale = p.scale * codes::kLog2E;
  for (int64_t row = 0; row < rows; ++row) {
    const HeadRows<StoredF32> q(p.q, b.t0 + row / b.heads,
                                (b.head + row % b.heads) * p.q_head_stride, p.q_stride, p.head_dim);
    int8_t all[kMaxHeadDim];
    q.ahead(kRowsAhead / b.heads, 0, p.head_dim);
    s.factor[row] = encode_row_codes(q, 0, nullptr, all) * scale;
    CodeX* const to = s.q + row * kQueryStride;
    int32_t sum_of_codes = 0;
    for (int64_t i = 0; i < width; ++i) {
      to[i] = all[i];
      sum_of_codes += all[i];
    }
    s.start[row] = -kPackedBias * sum_of_codes;
    s.most[row] = codes::kNoScore;
    s.total[row] = 0;
    for (int64_t i = 0; i < width; i += kLanes) store(s.out + row * width + i, zero());
  }
}

inline void attention_coded(const AttentionArgs& p, const CodedKeys& keys, const QueryBlock& b,
                            float* scratch) {
  const CodedScratch s(scratch);
  const int64_t count = keys.span.end > keys.span.begin ? keys.span.end - keys.span.begin : 0;
  const CodedShape shape(count, p.head_dim);
  const int64_t rows = (b.t1 - b.t0) * b.heads, parts = (rows + kPackedRows - 1) / kPackedRows;
  load_coded_queries(p, b, shape.width, s);
  for (int64_t block = 0; block < shape.blocks; ++block) {
    const int64_t left = count - block * codes::kBlock;
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t row = rows * part / parts, end = rows * (part + 1) / parts;
      coded_tile_rows(end - row, s, shape, keys.memory, block,
                      left < codes::kBlock ? left : codes::kBlock, row);
    }
  }
  const float* const scales = reinterpret_cast<const float*>(keys.memory + shape.value_scales);
  const float* const centres = reinterpret_cast<const float*>(keys.memory + shape.centres);
  for (int64_t row = 0; row < rows; ++row) {
    const F inverse = set(1.0f / s.total[row]);
    const float* const from = s.out + row * shape.width;
    map_row(p.head_dim,
            p.out + (b.t0 + row / b.heads) * p.out_stride +
                (b.head + row % b.heads) * p.out_head_stride,
            [=](int64_t i, int64_t) {
              if (count == 0) return zero();
              return fma(mul(load(from + i), inverse), load(scales + i), load(centres + i));
            });
  }
}
