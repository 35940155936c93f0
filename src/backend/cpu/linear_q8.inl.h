// Products with q8 weights and 8-bit activations: integer dot products per block of 32, scaled and
// added in float32. Included inside the set's namespace.
//
// A set says how it multiplies: one 32-bit lane of a register holds kDotDepth codes of one column
// (DotW), one 32-bit splat as many codes of a row (DotX), and dot() adds their products to a lane.
// Where rows must be unsigned, kDotOffset is added to their codes and taken off again.

inline constexpr int64_t kBlock = encoding::kBlock;
inline constexpr int64_t kBlocks = kInner / kBlock;    // of one inner step
inline constexpr int64_t kSteps = kBlock / kDotDepth;  // dots of one block
inline constexpr int64_t kDotStride = kInner + 64;     // of rows of DotX

// One group of a row as encoding::quantize_row defines it: codes, and the scale as result.
template <int64_t kColumns>
inline float quantize_group(const float* x, int64_t count, int8_t* codes) {
  F part[kColumns / kLanes];
  F top = zero();
  for (int j = 0; j < kColumns / kLanes; ++j) {
    const int64_t left = count - j * kLanes;
    part[j] = left > 0 ? nan_to_zero(load_first(x + j * kLanes, left)) : zero();
    top = max(top, abs(part[j]));
  }
  const float most = largest(top);
  const F factor = set(most > 0 ? 127.0f / most : 0.0f);
  for (int j = 0; j < kColumns / kLanes; ++j) {
    // 0 times infinity where all numbers are subnormal.
    const F whole = nan_to_zero(mul(part[j], factor));
    store_i8(codes + j * kLanes, min(set(127.0f), max(set(-127.0f), whole)));
  }
  return most / 127.0f;
}
inline void quantize_row(const float* x, int64_t cols, int8_t* codes, float* scales) {
  for (int64_t i = 0; i < cols; i += kBlock) {
    *scales++ = quantize_group<kBlock>(x + i, cols - i < kBlock ? cols - i : kBlock, codes + i);
  }
}

struct DotPanel {
  DotW* codes;       // [kBlocks][kSteps][kTileColumns][kDotDepth]
  float* scales;     // [kBlocks][kTileColumns]
  int32_t* offsets;  // [kBlocks][kTileColumns]: - kDotOffset * sum of the block's codes
};
struct DotRows {
  DotX* codes;    // [rows][kDotStride]
  float* scales;  // [rows][kBlocks]
};

// Columns: rows [0, rows) of W from `w` on, whose blocks follow there; `blocks` of them.
inline void pack_dot_columns(const std::byte* w, int64_t row_bytes, int64_t rows, int64_t blocks,
                             const DotPanel& panel) {
  DotW codes[kLanes * kInner];
  for (int64_t group = 0; group < kTileColumns; group += kLanes) {
    for (int64_t r = 0; r < kLanes; ++r) {
      DotW* const to = codes + r * kInner;
      const bool there = group + r < rows;
      const std::byte* from = w + (group + r) * row_bytes;
      for (int64_t b = 0; b < blocks; ++b, from += encoding::kQ80Bytes) {
        panel.scales[b * kTileColumns + group + r] = there ? half_to_float(from) : 0.0f;
        const int8_t* const q = reinterpret_cast<const int8_t*>(from + 2);
        for (int64_t i = 0; i < kBlock; ++i) to[b * kBlock + i] = there ? q[i] : int8_t(0);
      }
    }
    // Columns of 32-bit lanes: moved as floats are, never computed with.
    const float* const lanes = reinterpret_cast<const float*>(codes);
    constexpr int64_t kRowLanes = kInner / kDotDepth;
    pack_columns([=](int64_t r, int64_t i, int64_t) { return load(lanes + r * kRowLanes + i); },
                 kLanes, blocks * kSteps, reinterpret_cast<float*>(panel.codes) + group,
                 kTileColumns);
  }
  if (kDotOffset == 0) return;
  for (int64_t b = 0; b < blocks; ++b) {
    for (int64_t n = 0; n < kTileColumns; n += kLanes) {
      Dots total = dots_zero();
      for (int64_t s = 0; s < kSteps; ++s) {
        const DotW* const at = panel.codes + ((b * kSteps + s) * kTileColumns + n) * kDotDepth;
        total = dot(total, dot_offset(), dot_columns(at));
      }
      dots_store(panel.offsets + b * kTileColumns + n, dots_negative(total));
    }
  }
}

inline void pack_dot_rows(const float* x, int64_t stride, int64_t rows, int64_t width,
                          const DotRows& to) {
  int8_t codes[kInner];
  for (int64_t r = 0; r < rows; ++r) {
    quantize_row(x + r * stride, width, codes, to.scales + r * kBlocks);
    DotX* const out = to.codes + r * kDotStride;
    const int64_t padded = (width + kBlock - 1) / kBlock * kBlock;
    for (int64_t i = 0; i < padded; ++i) out[i] = DotX(codes[i] + kDotOffset);
  }
}

template <int R, int V>
inline void dot_tile(const DotRows& x, const DotPanel& w, int64_t blocks, float* c, bool add_c) {
  F sums[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sums[r][v] = zero();
  }
  for (int64_t b = 0; b < blocks; ++b) {
    Dots dots[R][V];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        dots[r][v] =
            kDotOffset ? dots_load(w.offsets + b * kTileColumns + v * kLanes) : dots_zero();
      }
    }
    const DotW* columns = w.codes + b * kBlock * kTileColumns;
    const DotX* row = x.codes + b * kBlock;
    for (int64_t s = 0; s < kSteps; ++s, columns += kTileColumns * kDotDepth, row += kDotDepth) {
      DotVector at[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) at[v] = dot_columns(columns + v * kLanes * kDotDepth);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const DotVector splat = dot_splat(row + r * kDotStride);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) dots[r][v] = dot(dots[r][v], splat, at[v]);
      }
    }
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const F scale = load(w.scales + b * kTileColumns + v * kLanes);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const F both = mul(scale, set(x.scales[r * kBlocks + b]));
        sums[r][v] = fma(both, dots_float(dots[r][v]), sums[r][v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      float* const to = c + r * kMaxPieceCols + v * kLanes;
      store(to, add_c ? add(load(to), sums[r][v]) : sums[r][v]);
    }
  }
}

template <int R = kDotRows>
inline void dot_tile_rows(int64_t rows, const DotRows& x, const DotPanel& w, int64_t blocks,
                          float* c, bool add_c) {
  if constexpr (R > 0) {
    if (rows == R) return dot_tile<R, kTileVectors>(x, w, blocks, c, add_c);
    dot_tile_rows<R - 1>(rows, x, w, blocks, c, add_c);
  }
}

inline void linear_block_q8(const LinearArgs& p, int64_t t0, int64_t t1, int64_t n0, int64_t n1,
                            float* scratch) {
  float* const c = scratch;
  DotRows x;
  x.scales = c + kMaxPieceRows * kMaxPieceCols;
  DotPanel panel;
  panel.scales = x.scales + kMaxPieceRows * kBlocks;
  panel.offsets = reinterpret_cast<int32_t*>(panel.scales + kBlocks * kTileColumns);
  panel.codes = reinterpret_cast<DotW*>(panel.offsets + kBlocks * kTileColumns);
  x.codes = reinterpret_cast<DotX*>(panel.codes + kInner * kTileColumns);
  for (int64_t first = 0; first < p.k; first += kInner) {
    const int64_t width = p.k - first < kInner ? p.k - first : kInner;
    const int64_t blocks = (width + kBlock - 1) / kBlock;
    pack_dot_rows(p.x + t0 * p.x_stride + first, p.x_stride, t1 - t0, width, x);
    for (int64_t n = n0; n < n1; n += kTileColumns) {
      const int64_t columns = n1 - n < kTileColumns ? n1 - n : kTileColumns;
      pack_dot_columns(p.w + n * p.w_row_bytes + StoredQ80::byte_of(first), p.w_row_bytes, columns,
                       blocks, panel);
      const int64_t rows = t1 - t0, parts = (rows + kDotRows - 1) / kDotRows;
      for (int64_t part = 0; part < parts; ++part) {
        const int64_t r = rows * part / parts, count = rows * (part + 1) / parts - r;
        dot_tile_rows(count, {x.codes + r * kDotStride, x.scales + r * kBlocks}, panel, blocks,
                      c + r * kMaxPieceCols + (n - n0), first > 0);
      }
    }
  }
  for (int64_t t = t0; t < t1; ++t) finish_row(p, c + (t - t0) * kMaxPieceCols, t, n0, n1);
}

// --- few rows ---
struct FewRows {
  const int8_t* codes[kFewRows];
  const float* scales[kFewRows];
};

template <int R, int T>
inline void few_rows_q8(const LinearArgs& p, const FewRows& x, int64_t n, float* sums) {
  BlockSum total[R][T];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) total[r][t] = block_zero();
  }
  const std::byte* w = p.w + n * p.w_row_bytes;
  const int64_t blocks = (p.k + kBlock - 1) / kBlock;
  const int64_t ahead = prefetch_distance(R, p.w_row_bytes);
  for (int64_t b = 0; b < blocks; ++b, w += encoding::kQ80Bytes) {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const std::byte* const at = w + r * p.w_row_bytes;
      prefetch(at + ahead);
      const float scale = half_to_float(at);
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        total[r][t] = block_step(total[r][t], reinterpret_cast<const int8_t*>(at + 2),
                                 x.codes[t] + b * kBlock, scale * x.scales[t][b]);
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) sums[t * kMaxPieceCols + r] = block_total(total[r][t]);
  }
}

template <int T>
inline void few_columns_q8(const LinearArgs& p, const FewRows& x, int64_t n0, int64_t n1,
                           float* sums) {
  constexpr int kRows = T * 4 <= kRegisters / 2 ? 4 : 2;
  int64_t n = n0;
  for (; n + kRows <= n1; n += kRows) few_rows_q8<kRows, T>(p, x, n, sums + (n - n0));
  for (; n < n1; ++n) few_rows_q8<1, T>(p, x, n, sums + (n - n0));
}

static_assert(kFewRows *
                  (kMaxPieceCols + kMaxFewCols / int64_t(sizeof(float)) + kMaxFewCols / kBlock) <=
              kScratchFloats);

inline FewRows quantize_few(const LinearArgs& p, float* scratch) {
  FewRows x;
  const int64_t blocks = (p.k + kBlock - 1) / kBlock;
  for (int64_t t = 0; t < p.tokens; ++t) {
    int8_t* const codes = reinterpret_cast<int8_t*>(scratch);
    scratch += blocks * kBlock / int64_t(sizeof(float));
    quantize_row(p.x + t * p.x_stride, p.k, codes, scratch);
    x.codes[t] = codes;
    x.scales[t] = scratch;
    scratch += blocks;
  }
  return x;
}

inline void linear_few_q8(const LinearArgs& p, const FewRows& x, int64_t n0, int64_t n1,
                          float* sums) {
  switch (p.tokens) {
    case 1:
      return few_columns_q8<1>(p, x, n0, n1, sums);
    case 2:
      return few_columns_q8<2>(p, x, n0, n1, sums);
    case 3:
      return few_columns_q8<3>(p, x, n0, n1, sums);
    default:
      return few_columns_q8<4>(p, x, n0, n1, sums);
  }
}
