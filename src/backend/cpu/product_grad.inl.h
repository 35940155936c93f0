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
                         int64_t columns, float* panels) {
  const std::byte* row = p.b + first * p.b_row_bytes;
  const auto copy = [=](int64_t i, auto at) __attribute__((always_inline)) {
    float* to = panels + i * kTileColumns;
    for (int64_t c = 0; c < columns; c += kTileColumns, to += kPanelFloats) {
#pragma GCC unroll 4
      for (int v = 0; v < kTileVectors; ++v) {
        const int64_t left = columns - c - v * kLanes;
        if (left > 0) store(to + v * kLanes, at(c + v * kLanes, left < kLanes ? left : kLanes));
      }
    }
  };
  if (!reads_directly(p.encoding)) {
    float decoded[kGroupColumns];
    for (int64_t i = 0; i < count; ++i, row += p.b_row_bytes) {
      decode_part(p.encoding, row, n, columns, decoded);
      copy(i, [&](int64_t c, int64_t many) { return load_first(decoded + c, many); });
    }
    return;
  }
  with_stored(p.encoding, [=](auto stored) {
    const std::byte* from = row;
    for (int64_t i = 0; i < count; ++i, from += p.b_row_bytes) {
      copy(i, [=](int64_t c, int64_t many) { return stored.at(from, n + c, many); });
    }
  });
}

struct ProductJob {
  using Numbers = FloatNumbers;
  const ProductArgs& p;
  int64_t inner() const { return p.inner; }
  void pack_a(int64_t row, int64_t rows, int64_t first, int64_t width, float* out) const {
    p.a_transposed ? pack_turned_rows(p.a + first * p.a_stride + row, p.a_stride, rows, width, out)
                   : pack_rows(p.a + row * p.a_stride + first, p.a_stride, rows, width, out);
  }
  void pack_b(int64_t n, int64_t columns, int64_t first, int64_t width, float* panels) const {
    copy_columns(p, first, width, n, columns, panels);
  }
  void ask_for(int64_t row, int64_t n, int64_t columns) const {
    ask_for_ends<1>(p.dst + row * p.dst_stride + n, columns);
  }
  void finish(int64_t row, int64_t n, int64_t columns, const float* sums) const {
    float* const dst = p.dst + row * p.dst_stride + n;
    map_row(columns, dst, [=](int64_t i, int64_t many) {
      return add(load_first(dst + i, many), load_first(sums + i, many));
    });
  }
};

inline void product_block(const ProductArgs& p, const ProductPiece& piece, float* scratch) {
  run_product(ProductJob{p}, piece, scratch);
}
