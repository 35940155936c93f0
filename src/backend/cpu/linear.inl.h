// y = activation(x W^T + bias) + residual in float32, W decoded on the way.
// Included inside the set's namespace.

// B of a product with W^T: rows [n, n + rows) of W, columns [first, first + width), turned.
template <class LoadAt>
inline void pack_panel(LoadAt load_at, int64_t rows, int64_t width, float* panel) {
  for (int64_t r = 0; r < rows; r += kLanes) {
    const auto at = [&](int64_t row, int64_t i, int64_t n) { return load_at(r + row, i, n); };
    pack_columns(at, rows - r, width, panel + r, kTileColumns);
  }
}

inline void pack_weight(Encoding encoding, const std::byte* w, int64_t row_bytes, int64_t rows,
                        int64_t first, int64_t width, float* panel) {
  if (!reads_directly(encoding)) {
    float decoded[kLanes * kInner];
    for (int64_t r = 0; r < rows; r += kLanes) {
      const int64_t count = rows - r < kLanes ? rows - r : kLanes;
      for (int64_t i = 0; i < count; ++i) {
        decode_part(encoding, w + (r + i) * row_bytes, first, width, decoded + i * kInner);
      }
      pack_panel([&](int64_t row, int64_t i,
                     int64_t n) { return load_first(decoded + row * kInner + i, n); },
                 count, width, panel + r);
    }
    return;
  }
  // Sixteen rows side by side are more streams than the processor follows by itself.
  constexpr int64_t kAhead = 256;
  with_stored(encoding, [=](auto stored) {
    pack_panel(
        [=](int64_t row, int64_t i, int64_t n) {
          const std::byte* const from = w + row * row_bytes;
          __builtin_prefetch(from + stored.byte_of(first + i) + kAhead);
          return stored.at(from, first + i, n);
        },
        rows, width, panel);
  });
}

// activation(sums + bias) of outputs from n on; at() loads one vector, or several.
template <class At>
[[gnu::always_inline]] inline auto finished(const LinearArgs& p, const float* sums, int64_t n,
                                            At at) {
  auto v = at(sums);
  if (p.w_scales) v = mul(v, at(p.w_scales + n));
  if (p.bias) v = add(v, at(p.bias + n));
  return p.act != Act::kNone ? apply(p.act, v) : v;
}

// The end of every linear: sums [rows, columns] of a piece that starts at (t0, n0).
inline void finish_row(const LinearArgs& p, const float* sums, int64_t t, int64_t n0, int64_t n1) {
  float* const y = p.y + t * p.y_stride + n0;
  const float* const residual = p.residual ? p.residual + t * p.residual_stride + n0 : nullptr;
  in_vectors(n1 - n0, [&](int64_t i, auto at, auto put) {
    auto v = finished(p, sums + i, n0 + i, at);
    if (residual) v = add(v, at(residual + i));
    put(y + i, v);
  });
}

struct LinearJobF32 {
  using Numbers = FloatNumbers;
  const LinearArgs& p;
  int64_t inner() const { return p.k; }
  void pack_a(int64_t row, int64_t rows, int64_t first, int64_t width, float* out) const {
    pack_rows(p.x + row * p.x_stride + first, p.x_stride, rows, width, out);
  }
  void pack_b(int64_t n, int64_t columns, int64_t first, int64_t width, float* panels) const {
    for (int64_t c = 0; c < columns; c += kTileColumns, panels += kPanelFloats) {
      pack_weight(p.encoding, p.w + (n + c) * p.w_row_bytes, p.w_row_bytes,
                  columns - c < kTileColumns ? columns - c : kTileColumns, first, width, panels);
    }
  }
  void ask_for(int64_t row, int64_t n, int64_t columns) const {
    if (p.residual) ask_for_ends<0>(p.residual + row * p.residual_stride + n, columns);
    ask_for_ends<1>(p.y + row * p.y_stride + n, columns);
  }
  void finish(int64_t row, int64_t n, int64_t columns, const float* sums) const {
    finish_row(p, sums, row, n, n + columns);
  }
};

inline void linear_f32(const LinearArgs& p, const ProductPiece& piece, float* scratch) {
  run_product(LinearJobF32{p}, piece, scratch);
}

// How far ahead weights are asked for when `rows` rows are read side by side: at least one such
// block of rows, because the processor's own prefetchers lose the stream at the end of every row.
inline int64_t prefetch_distance(int64_t rows, int64_t row_bytes) {
  constexpr int64_t kLeast = 8192;
  return rows * row_bytes < kLeast ? kLeast : rows * row_bytes;
}
inline void prefetch(const std::byte* p) {
  __builtin_prefetch(p, 0, 2);
}

// --- few rows: W is streamed once, R of its rows at a time ---
// An element is summed in two chains of kLanes sums, whatever R and T.
template <int R, int T, class Stored>
inline void few_rows_f32(const LinearArgs& p, int64_t n, float* sums) {
  F even[R][T], odd[R][T];
  const std::byte* w[R];
  const float* x[T];
  const int64_t ahead = prefetch_distance(R, p.w_row_bytes);
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    w[r] = p.w + (n + r) * p.w_row_bytes;
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) even[r][t] = odd[r][t] = zero();
  }
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) x[t] = p.x + t * p.x_stride;
  const auto step = [&](F(&total)[R][T], int64_t i, int64_t count) __attribute__((always_inline)) {
    F xs[T];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) xs[t] = load_first(x[t] + i, count);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const F ws = Stored::at(w[r], i, count);
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) total[r][t] = fma(ws, xs[t], total[r][t]);
    }
  };
  int64_t i = 0;
  for (; i + 2 * kLanes <= p.k; i += 2 * kLanes) {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      for (int64_t b = 0; b < Stored::byte_of(2 * kLanes); b += 64) {
        __builtin_prefetch(w[r] + Stored::byte_of(i) + ahead + b);
      }
    }
    step(even, i, kLanes);
    step(odd, i + kLanes, kLanes);
  }
  if (i + kLanes <= p.k) {
    step(even, i, kLanes);
    i += kLanes;
  }
  if (i < p.k) step(odd, i, p.k - i);
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) sums[t * kMaxPieceCols + r] = sum(add(even[r][t], odd[r][t]));
  }
}

template <int T, class Stored>
inline void few_columns_f32(const LinearArgs& p, int64_t n0, int64_t n1, float* sums) {
  // For one row of x memory is what counts, and it gives most to one stream from front to back.
  constexpr int kRows = T == 1 ? 1 : T * 8 <= kRegisters ? 4 : T * 4 <= kRegisters ? 2 : 1;
  int64_t n = n0;
  for (; n + kRows <= n1; n += kRows) few_rows_f32<kRows, T, Stored>(p, n, sums + (n - n0));
  for (; n < n1; ++n) few_rows_f32<1, T, Stored>(p, n, sums + (n - n0));
}

template <class Stored>
inline void few_of(const LinearArgs& p, int64_t n0, int64_t n1, float* sums) {
  switch (p.tokens) {
    case 1:
      return few_columns_f32<1, Stored>(p, n0, n1, sums);
    case 2:
      return few_columns_f32<2, Stored>(p, n0, n1, sums);
    case 3:
      return few_columns_f32<3, Stored>(p, n0, n1, sums);
    default:
      return few_columns_f32<4, Stored>(p, n0, n1, sums);
  }
}

// The same of rows that are decoded first, four of them and kInner columns at a time.
inline void linear_few_decoded(const LinearArgs& p, int64_t n0, int64_t n1, float* sums) {
  constexpr int64_t kRows = 4;
  float decoded[kRows * kInner], part[kFewRows * kMaxPieceCols];
  LinearArgs piece = p;
  piece.encoding = Encoding::kF32;
  piece.w = reinterpret_cast<const std::byte*>(decoded);
  piece.w_row_bytes = kInner * int64_t(sizeof(float));
  for (int64_t n = n0; n < n1; n += kRows) {
    const int64_t rows = n1 - n < kRows ? n1 - n : kRows;
    for (int64_t first = 0; first < p.k; first += kInner) {
      piece.k = p.k - first < kInner ? p.k - first : kInner;
      piece.x = p.x + first;
      for (int64_t r = 0; r < rows; ++r) {
        decode_part(p.encoding, p.w + (n + r) * p.w_row_bytes, first, piece.k,
                    decoded + r * kInner);
      }
      few_of<StoredF32>(piece, 0, rows, part);
      for (int64_t t = 0; t < p.tokens; ++t) {
        float* const to = sums + t * kMaxPieceCols + (n - n0);
        const float* const from = part + t * kMaxPieceCols;
        for (int64_t r = 0; r < rows; ++r) to[r] = first > 0 ? to[r] + from[r] : from[r];
      }
    }
  }
}

inline void linear_few_f32(const LinearArgs& p, int64_t n0, int64_t n1, float* sums) {
  if (!reads_directly(p.encoding)) return linear_few_decoded(p, n0, n1, sums);
  with_stored(p.encoding, [&](auto stored) { few_of<decltype(stored)>(p, n0, n1, sums); });
}
