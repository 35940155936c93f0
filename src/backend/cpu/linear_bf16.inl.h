// linear_f32() beside weights in bfloat16, with rows of x rounded to it too: a product of float32's
// form whose numbers are pairs. Included inside the set's namespace, after all_kernels.inl.h.
//
// A set says bf16_rows(), as_floats(), as_pairs() and pair_dot(), see attention_bf16.inl.h.

// (Pairs are moved as floats are, never computed with as such.)
struct PairNumbers {
  static F add_product(F factor, F row, F sums) {
    return pair_dot(sums, as_pairs(factor), as_pairs(row));
  }
};

// Copies A: rows of x, pairs [first, first + count) of each, `x` being the first of those.
inline void pack_pairs(const float* x, int64_t stride, int64_t rows, int64_t count, float* a) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* const from = x + r * stride;
    float* const to = a + r * kAStride;
    for (int64_t i = 0; i < count; i += kLanes) {
      __builtin_prefetch(from + kCopyAhead * stride + 2 * i);
      __builtin_prefetch(from + kCopyAhead * stride + 2 * i + kLanes);
      const int64_t left = 2 * (count - i);
      const F lower = load_first(from + 2 * i, left < kLanes ? left : kLanes);
      const F upper = left <= kLanes ? zero()
                                     : load_first(from + 2 * i + kLanes,
                                                  left < 2 * kLanes ? left - kLanes : kLanes);
      store(to + i, as_floats(bf16_rows(lower, upper)));  // the spare ones are within the stride
    }
  }
}

// Stored rows of W are rows of pairs as they lie: as numbers of 32 bits, p.k of them.
struct LinearJobPairs : LinearJobF32 {
  using Numbers = PairNumbers;
  void pack_a(int64_t row, int64_t rows, int64_t first, int64_t width, float* out) const {
    pack_pairs(p.x + row * p.x_stride + 2 * first, p.x_stride, rows, width, out);
  }
};

inline void linear_bf16(const LinearArgs& p, const ProductPiece& piece, float* scratch) {
  LinearArgs pairs = p;
  pairs.encoding = Encoding::kF32;
  pairs.k = p.k / 2;
  run_product(LinearJobPairs{{pairs}}, piece, scratch);
}

// As fma_loop() and dot_loop().
inline double bf16_loop(int64_t count, float* sink) {
  number_loop<PairNumbers>(count, sink);
  return 4.0 * kChains * kLanes * double(count);
}
