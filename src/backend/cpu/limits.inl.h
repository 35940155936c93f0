// What this set can do at best: loops of nothing but independent multiply-adds, dot products, or
// loads. Included inside the set's namespace.

inline constexpr int kChains = 12;

// Multiply-adds of vectors of `Numbers` (product.inl.h), `count` rounds of them. The result of the
// sums goes to `sink`.
template <class Numbers>
inline void number_loop(int64_t count, float* sink) {
  F sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = set(float(i) * 1e-3f);
  const F factor = load_first(sink, kLanes);
  for (int64_t n = 0; n < count; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) {
      sums[i] = Numbers::add_product(factor, factor, sums[i]);
    }
  }
  for (int i = 1; i < kChains; ++i) sums[0] = add(sums[0], sums[i]);
  store(sink, sums[0]);
}

// Operations done in `count` rounds.
inline double fma_loop(int64_t count, float* sink) {
  number_loop<FloatNumbers>(count, sink);
  return 2.0 * kChains * kLanes * double(count);
}

inline double dot_loop(int64_t count, float* sink) {
  Dots sums[kChains];
  // Unrolled, or gcc keeps the array in memory.
#pragma GCC unroll 12
  for (int i = 0; i < kChains; ++i) sums[i] = dots_zero();
  const DotVector x = dot_columns(reinterpret_cast<const DotW*>(sink));
  DotVector w = dot_splat(reinterpret_cast<const DotX*>(sink + 1));
  for (int64_t n = 0; n < count; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) {
      asm volatile("" : "+m"(w));  // or the compiler sees that every one adds the same
      sums[i] = dot(sums[i], x, w);
    }
  }
  F total = zero();
#pragma GCC unroll 12
  for (int i = 0; i < kChains; ++i) total = add(total, dots_float(sums[i]));
  store(sink, total);
  return 2.0 * kChains * kLanes * kDotDepth * double(count);
}

// Reads `count` numbers (a multiple of 4 kLanes) once, in order.
inline void read_loop(const float* p, int64_t count, float* sink) {
  F sums[4] = {zero(), zero(), zero(), zero()};
  for (int64_t i = 0; i < count; i += 4 * kLanes) {
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) sums[c] = add(sums[c], load(p + i + c * kLanes));
  }
  store(sink, add(add(sums[0], sums[1]), add(sums[2], sums[3])));
}
