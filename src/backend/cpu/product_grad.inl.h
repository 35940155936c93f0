// dst += A B with B stored by rows: the gradients of linear. Included inside the set's namespace.

// A: rows [m0, m0 + rows), inner indices [first, first + count), from [inner, m] in memory.
inline void pack_turned_rows(const float* a, int64_t stride, int64_t rows, int64_t count,
                             float* out) {
  for (int64_t i = 0; i < count; i += kLanes) {
    const int64_t inner = count - i < kLanes ? count - i : kLanes;
    const float* const from = a + i * stride;
    // Turned [inner, m] -> [m, inner]; the spare columns of out are within its stride.
    pack_columns(
        [=](int64_t r, int64_t m, int64_t n) { return load_first(from + r * stride + m, n); },
        inner, rows, out + i, kAStride);
  }
}

// B: inner indices [first, first + count), columns [n, n + columns) and zeros up to a whole vector.
inline void copy_columns(const ProductArgs& p, int64_t first, int64_t count, int64_t n,
                         int64_t columns, float* panel) {
  const std::byte* const rows = p.b + first * p.b_row_bytes;
  const int64_t vectors = vectors_of(columns);
  if (!reads_directly(p.encoding)) {
    for (int64_t i = 0; i < count; ++i) {
      float* const to = panel + i * kTileColumns;
      decode_part(p.encoding, rows + i * p.b_row_bytes, n, columns, to);
      for (int64_t c = columns; c < vectors * kLanes; ++c) to[c] = 0;
    }
    return;
  }
  with_stored(p.encoding, [=](auto stored) {
    for (int64_t i = 0; i < count; ++i) {
      const std::byte* const row = rows + i * p.b_row_bytes;
      for (int64_t v = 0; v < vectors; ++v) {
        const int64_t left = columns - v * kLanes;
        store(panel + i * kTileColumns + v * kLanes,
              stored.at(row, n + v * kLanes, left < kLanes ? left : kLanes));
      }
    }
  });
}

inline void product_block(const ProductArgs& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1,
                          float* scratch) {
  float* const a = scratch;
  float* const panel = a + kMaxPieceRows * kAStride;
  float* const c = panel + kInner * kTileColumns;
  for (int64_t first = 0; first < p.inner; first += kInner) {
    const int64_t count = p.inner - first < kInner ? p.inner - first : kInner;
    if (p.a_transposed) {
      pack_turned_rows(p.a + first * p.a_stride + m0, p.a_stride, m1 - m0, count, a);
    } else {
      pack_rows(p.a + m0 * p.a_stride + first, p.a_stride, m1 - m0, count, a);
    }
    for (int64_t n = n0; n < n1; n += kTileColumns) {
      const int64_t columns = n1 - n < kTileColumns ? n1 - n : kTileColumns;
      const int64_t vectors = vectors_of(columns);
      copy_columns(p, first, count, n, columns, panel);
      tiles(m1 - m0, vectors,
            {a, panel, kTileColumns, count, c + (n - n0), kMaxPieceCols, first > 0});
    }
  }
  for (int64_t m = m0; m < m1; ++m) {
    float* const dst = p.dst + m * p.dst_stride + n0;
    const float* const from = c + (m - m0) * kMaxPieceCols;
    map_row(n1 - n0, dst, [=](int64_t i, int64_t n) {
      return add(load_first(dst + i, n), load_first(from + i, n));
    });
  }
}
