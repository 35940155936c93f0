// The two chains in which products of one row with 8-bit groups are added up, see
// linear_groups.inl.h: two groups side by side in a register, the same numbers as one after the
// other. Included inside the set's namespace.
inline constexpr bool kTwoGroups = true;

// Codes of an even group, then of the odd one behind it.
struct Two {
  __m512i codes;

  static Two of(const void* even, const void* odd) {
    const __m256i low = _mm256_loadu_si256(static_cast<const __m256i*>(even));
    const __m256i high = _mm256_loadu_si256(static_cast<const __m256i*>(odd));
    return {_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1)};
  }
  // 32 bytes, shifted right for the one and for the other, and 64. `mask` and a shift are at most
  // eight bits together.
  static Two halves(const uint8_t* p, int even, int odd, uint8_t mask) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {masked(_mm512_srlv_epi16(_mm512_broadcast_i64x4(bytes), shifts(even, odd)), mask)};
  }
  static Two whole(const uint8_t* p, int shift, uint8_t mask) {
    return {masked(_mm512_srlv_epi16(_mm512_loadu_si512(p), shifts(shift, shift)), mask)};
  }
  // 16 bytes of two codes each for the one and for the other.
  static Two nibbles(const uint8_t* even, const uint8_t* odd) {
    const auto twice = [](const uint8_t* p) {
      return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    };
    const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(twice(even)), twice(odd), 1);
    const __m256i shift = _mm256_set_epi64x(kFours, kFours, 0, 0);
    return {masked(_mm512_srlv_epi16(both, _mm512_broadcast_i64x4(shift)), 15)};
  }
  Two operator|(Two other) const { return {_mm512_or_si512(codes, other.codes)}; }
  // Bits that stay within their bytes.
  template <int kShift>
  Two left() const {
    return {_mm512_slli_epi16(codes, kShift)};
  }

 private:
  static constexpr int64_t kFours = 0x0004000400040004;
  static __m512i shifts(int even, int odd) {
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_set1_epi16(int16_t(even))),
                              _mm256_set1_epi16(int16_t(odd)), 1);
  }
  static __m512i masked(__m512i a, uint8_t mask) {
    return _mm512_and_si512(a, _mm512_set1_epi8(char(mask)));
  }
};

struct Chains {
  F both = zero();

  void add(Floats8 dots, Floats8 scale, int chain) {
    both = fma(chain ? upper(dots) : lower(dots), chain ? upper(scale) : lower(scale), both);
  }
  template <bool kSigned>
  void add_two(Two w, const int8_t* x, F scales) {
    const __m512i b = _mm512_loadu_si512(x);
    if (!kSigned) {
      both = fma(dots_float(dot_all(w.codes, b)), scales, both);
      return;
    }
    // |w| times x with w's sign
    const auto negative = _mm512_cmplt_epi8_mask(w.codes, _mm512_setzero_si512());
    const __m512i turned = _mm512_mask_sub_epi8(b, negative, _mm512_setzero_si512(), b);
    both = fma(dots_float(dot_all(_mm512_abs_epi8(w.codes), turned)), scales, both);
  }
  float sum() const { return sum8(add8(low_half(both), high_half(both))); }

  // Of the scales of a block's groups, or of their halves, those of groups 2 `pair` and behind it.
  template <int kParts>
  static F spread(const float* scales, int pair) {
    constexpr int kShare = 8 / kParts;
    // Two loads of what was stored in two parts; one would have to wait for the cache.
    const F eight = _mm512_castps256_ps512(load8(scales));
    const F all = kParts == 1 ? eight : _mm512_insertf32x8(eight, load8(scales + 8), 1);
    const __m512i lanes =
        _mm512_setr_epi32(0 / kShare, 1 / kShare, 2 / kShare, 3 / kShare, 4 / kShare, 5 / kShare,
                          6 / kShare, 7 / kShare, 8 / kShare, 9 / kShare, 10 / kShare, 11 / kShare,
                          12 / kShare, 13 / kShare, 14 / kShare, 15 / kShare);
    return _mm512_permutexvar_ps(_mm512_add_epi32(lanes, dots_set(2 * kParts * pair)), all);
  }

 private:
  static F lower(Floats8 a) { return _mm512_insertf32x8(zero(), a, 0); }
  static F upper(Floats8 a) { return _mm512_insertf32x8(zero(), a, 1); }
};

// A block whose first group is `first` (even) times T rows of x, whose codes are `codes`; `scales`
// are those of both.
template <class Form, int T, size_t kAll>
__attribute__((always_inline)) inline void add_pairs(Chains (&total)[T], const uint8_t* block,
                                                     const int8_t* const* codes, int64_t first,
                                                     const float (&scales)[T][kAll]) {
#pragma GCC unroll 4
  for (int pair = 0; pair < int(kAll) / Form::kParts / 2; ++pair) {
    const Two w = Form::template two_codes<Two>(block, 2 * pair);
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      total[t].template add_two<Form::kSigned>(w, codes[t] + (first + 2 * pair) * encoding::kBlock,
                                               Chains::spread<Form::kParts>(scales[t], pair));
    }
  }
}
