// The register tile that all float32 products share: C[rows, columns] (+)= A B.
// Included inside the set's namespace.
//
// A lies row by row, kAStride apart, so that every address in the tile is one register and a
// constant. (The stride is 17 cache lines: rows do not fall into the same sets.) Turned, it lies by
// inner index, kAStride apart. B lies by inner index, kTileColumns numbers at a time. Sums run over
// the inner index in order, in one fma chain per element, whatever the tile.

inline constexpr int64_t kAStride = kInner + 16;
inline constexpr int64_t kTileColumns = int64_t(kTileVectors) * kLanes;

struct TileArgs {
  const float* a;
  const float* b;
  int64_t b_stride, inner;
  float* c;
  int64_t c_stride;
  bool add;                      // to what C holds
  const float* ahead = nullptr;  // the A of the tile after this one, or null: asked for on the way
};

// What A and B hold: numbers, or something else of their size (linear_bf16.inl.h).
struct FloatNumbers {
  static F add_product(F factor, F row, F sums) { return fma(factor, row, sums); }
};

template <int R, int V, bool kTurned, class Numbers>
inline void tile(const TileArgs& t) {
  F sums[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sums[r][v] = zero();
  }
  const float* a = t.a;
  const float* b = t.b;
  const float* ahead = t.ahead ? t.ahead : a;
  const int64_t b_stride = t.b_stride;
  for (int64_t i = t.inner; i > 0; --i, a += kTurned ? kAStride : 1, b += b_stride) {
    F row[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) row[v] = load(b + v * kLanes);
    if constexpr (!kTurned) {
      // R rows of A are asked for in the time of kInner steps.
      __builtin_prefetch(ahead);
      ahead += (R * kAStride + kInner - 1) / kInner;
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const F factor = set(a[kTurned ? r : r * kAStride]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        sums[r][v] = Numbers::add_product(factor, row[v], sums[r][v]);
      }
    }
  }
  const int64_t c_stride = t.c_stride;
  float* const c = t.c;
  if (t.add) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sums[r][v] = add(load(c + r * c_stride + v * kLanes), sums[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(c + r * c_stride + v * kLanes, sums[r][v]);
  }
}

template <int V, bool kTurned, class Numbers, int R = kTileRows>
inline void tile_rows(int64_t rows, const TileArgs& t) {
  if constexpr (R > 0) {
    if (rows == R) return tile<R, V, kTurned, Numbers>(t);
    tile_rows<V, kTurned, Numbers, R - 1>(rows, t);
  }
}
template <bool kTurned, class Numbers = FloatNumbers, int V = kTileVectors>
inline void tile_of(int64_t rows, int64_t vectors, const TileArgs& t) {
  if constexpr (V > 0) {
    if (vectors == V) return tile_rows<V, kTurned, Numbers>(rows, t);
    tile_of<kTurned, Numbers, V - 1>(rows, vectors, t);
  }
}

// The same for any number of rows: as even tiles as can be.
template <bool kTurned = false>
inline void tiles(int64_t rows, int64_t vectors, TileArgs t) {
  const int64_t parts = (rows + kTileRows - 1) / kTileRows;
  for (int64_t p = 0; p < parts; ++p) {
    const int64_t count = rows * (p + 1) / parts - rows * p / parts;
    tile_of<kTurned>(count, vectors, t);
    t.a += kTurned ? count : count * kAStride;
    t.c += count * t.c_stride;
  }
}

// Asks for the first and last line of a tile's row, to write it or not.
template <int kWrite>
inline void ask_for_ends(const float* row, int64_t columns) {
  __builtin_prefetch(row, kWrite);
  __builtin_prefetch(row + columns - 1, kWrite);
}

// Of pieces of rows that are copied: too far apart for the processor to guess.
inline constexpr int64_t kCopyAhead = 4;

// Copies A: rows of x, inner indices [first, first + count).
inline void pack_rows(const float* x, int64_t stride, int64_t rows, int64_t count, float* a) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* const from = x + r * stride;
    float* const to = a + r * kAStride;
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      __builtin_prefetch(from + kCopyAhead * stride + i);
      store(to + i, load(from + i));
    }
    for (; i < count; ++i) to[i] = from[i];
  }
}

// Writes columns [0, width) of kLanes rows that start at x, transposed: out[i * out_stride + row].
// `load_at(row, i, n)` gives n numbers of a row; rows at or after `rows` are zero.
template <class LoadAt>
inline void pack_columns(LoadAt load_at, int64_t rows, int64_t width, float* out,
                         int64_t out_stride) {
  for (int64_t i = 0; i < width; i += kLanes) {
    const int64_t n = width - i < kLanes ? width - i : kLanes;
    F block[kLanes];
    if (rows >= kLanes && n == kLanes) {
#pragma GCC unroll 16
      for (int r = 0; r < kLanes; ++r) block[r] = load_at(r, i, kLanes);
    } else {
      for (int r = 0; r < kLanes; ++r) block[r] = r < rows ? load_at(r, i, n) : zero();
    }
    transpose(block);
    if (n == kLanes) {
#pragma GCC unroll 16
      for (int r = 0; r < kLanes; ++r) store(out + (i + r) * out_stride, block[r]);
    } else {
      for (int64_t r = 0; r < n; ++r) store(out + (i + r) * out_stride, block[r]);
    }
  }
}
