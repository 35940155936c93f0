// Norms, activations and other operations row by row. Included inside the set's namespace.

// Sums f(i, n) over a row of `width` numbers: vectors i, i + kLanes, ... go to four chains in turn,
// so the order depends on the width alone.
template <class Vector>
inline float sum_row(int64_t width, Vector f) {
  F total[4] = {zero(), zero(), zero(), zero()};
  int64_t i = 0;
  for (; i + 4 * kLanes <= width; i += 4 * kLanes) {
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) total[c] = add(total[c], f(i + c * kLanes, kLanes));
  }
  for (int c = 0; i < width; i += kLanes, ++c) {
    total[c] = add(total[c], f(i, width - i < kLanes ? width - i : kLanes));
  }
  return sum(add(add(total[0], total[1]), add(total[2], total[3])));
}

// y = f(i, n), for all of a row.
template <class Vector>
inline void map_row(int64_t width, float* y, Vector f) {
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) store(y + i, f(i, kLanes));
  if (i < width) store_first(y + i, f(i, width - i), width - i);
}

inline void rms_norm(const RowsArgs& p, const float* w, float eps) {
  for (int64_t r = 0; r < p.rows; ++r) {
    const float* const x = p.x + r * p.x_stride;
    const float squares = sum_row(p.width, [=](int64_t i, int64_t n) {
      const F v = load_first(x + i, n);
      return mul(v, v);
    });
    const F factor = set(1.0f / __builtin_sqrtf(squares / float(p.width) + eps));
    map_row(p.width, p.y + r * p.y_stride, [=](int64_t i, int64_t n) {
      return mul(mul(load_first(x + i, n), factor), load_first(w + i, n));
    });
  }
}

inline void layer_norm(const RowsArgs& p, const float* w, const float* b, float eps) {
  for (int64_t r = 0; r < p.rows; ++r) {
    const float* const x = p.x + r * p.x_stride;
    const float total =
        sum_row(p.width, [=](int64_t i, int64_t n) { return load_first(x + i, n); });
    const F mean = set(total / float(p.width));
    const float squares = sum_row(p.width, [=](int64_t i, int64_t n) {
      const F v = sub(load_first(x + i, n), mean);
      return n < kLanes ? first_of(mul(v, v), n) : mul(v, v);
    });
    const F factor = set(1.0f / __builtin_sqrtf(squares / float(p.width) + eps));
    map_row(p.width, p.y + r * p.y_stride, [=](int64_t i, int64_t n) {
      const F v = mul(sub(load_first(x + i, n), mean), factor);
      return fma(v, load_first(w + i, n), load_first(b + i, n));
    });
  }
}

inline void activation(const RowsArgs& p, Act act) {
  for (int64_t r = 0; r < p.rows; ++r) {
    const float* const x = p.x + r * p.x_stride;
    float* const y = p.y + r * p.y_stride;
    map_row(p.width, y, [=](int64_t i, int64_t n) { return apply(act, load_first(x + i, n)); });
  }
}

inline void silu_mul(const RowsArgs& p, const float* up, int64_t up_stride) {
  for (int64_t r = 0; r < p.rows; ++r) {
    const float* const gate = p.x + r * p.x_stride;
    const float* const other = up + r * up_stride;
    map_row(p.width, p.y + r * p.y_stride, [=](int64_t i, int64_t n) {
      return mul(silu(load_first(gate + i, n)), load_first(other + i, n));
    });
  }
}

inline void add_rows(const RowsArgs& p, const float* b, int64_t b_stride, float scale) {
  for (int64_t r = 0; r < p.rows; ++r) {
    const float* const x = p.x + r * p.x_stride;
    const float* const other = b + r * b_stride;
    map_row(p.width, p.y + r * p.y_stride, [=](int64_t i, int64_t n) {
      return add(load_first(x + i, n), mul(set(scale), load_first(other + i, n)));
    });
  }
}

inline void rope(const float* x, int64_t x_stride, float* y, int64_t y_stride, int64_t heads,
                 int64_t width, const float* table, float sign) {
  const int64_t half = width / 2;
  for (int64_t h = 0; h < heads; ++h, x += x_stride, y += y_stride) {
    for (int64_t i = 0; i < half; i += kLanes) {
      const int64_t n = half - i < kLanes ? half - i : kLanes;
      const F c = load_first(table + i, n), s = mul(set(sign), load_first(table + half + i, n));
      const F a = load_first(x + i, n), b = load_first(x + half + i, n);
      store_first(y + i, sub(mul(a, c), mul(b, s)), n);
      store_first(y + half + i, add(mul(b, c), mul(a, s)), n);
    }
  }
}

inline void decode(Encoding encoding, const std::byte* row, int64_t cols, float* out) {
  if (!reads_directly(encoding)) return encoding::decode_row(encoding, row, 0, cols, out);
  with_stored(encoding, [=](auto stored) {
    map_row(cols, out, [=](int64_t i, int64_t n) { return stored.at(row, i, n); });
  });
}

template <class StoreAll>
inline void convert(const float* x, int64_t count, uint16_t* y, StoreAll store_all) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store_all(y + i, load(x + i));
  if (i == count) return;
  uint16_t last[kLanes];
  store_all(last, load_first(x + i, count - i));
  for (int64_t j = 0; i + j < count; ++j) y[i + j] = last[j];
}
inline void to_f16(const float* x, int64_t count, uint16_t* y) {
  convert(x, count, y, [](uint16_t* p, F a) { store_f16(p, a); });
}
inline void to_bf16(const float* x, int64_t count, uint16_t* y) {
  convert(x, count, y, [](uint16_t* p, F a) { store_bf16(p, a); });
}
