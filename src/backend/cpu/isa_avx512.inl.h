// The AVX-512 vocabulary (F, BW, DQ, VL: what x86-64-v4 has). Included inside the set's namespace.

using F = __m512;  // kLanes numbers

inline constexpr int kLanes = 16;
inline constexpr int kRegisters = 32;
// The register tile of a product: kTileRows rows x kTileVectors vectors, and a factor for each row.
inline constexpr int kTileRows = 14, kTileVectors = 2;

inline F load(const float* p) {
  return _mm512_loadu_ps(p);
}
inline void store(float* p, F a) {
  _mm512_storeu_ps(p, a);
}
inline F zero() {
  return _mm512_setzero_ps();
}
inline F set(float a) {
  return _mm512_set1_ps(a);
}
inline F add(F a, F b) {
  return _mm512_add_ps(a, b);
}
inline F sub(F a, F b) {
  return _mm512_sub_ps(a, b);
}
inline F mul(F a, F b) {
  return _mm512_mul_ps(a, b);
}
inline F div(F a, F b) {
  return _mm512_div_ps(a, b);
}
inline F fma(F a, F b, F c) {
  return _mm512_fmadd_ps(a, b, c);
}  // a * b + c
inline F neg_fma(F a, F b, F c) {
  return _mm512_fnmadd_ps(a, b, c);
}  // c - a * b
// A NaN in the second operand is passed on.
inline F max(F a, F b) {
  return _mm512_max_ps(a, b);
}
inline F min(F a, F b) {
  return _mm512_min_ps(a, b);
}
inline F abs(F a) {
  return _mm512_abs_ps(a);
}
inline F nearest(F a) {
  return _mm512_roundscale_ps(a, 8);
}  // ties to even
// a < b ? yes : no
inline F if_less(F a, F b, F yes, F no) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
}
inline F nan_to_zero(F a) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, a, _CMP_ORD_Q), a);
}
// a * 2^n for whole n in [-126, 127].
inline F times_exp2(F a, F n) {
  return _mm512_scalef_ps(a, n);
}

inline __m256 low_half(F a) {
  return _mm512_castps512_ps256(a);
}
inline __m256 high_half(F a) {
  return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1));
}
inline float sum(F a) {
  return sum8(_mm256_add_ps(low_half(a), high_half(a)));
}
inline float largest(F a) {
  return largest8(_mm256_max_ps(low_half(a), high_half(a)));
}

inline F load_f16(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline F load_bf16(const uint16_t* p) {
  const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}
inline F load_i8(const int8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
}
inline void store_f16(uint16_t* p, F a) {
  __m128i* const out = reinterpret_cast<__m128i*>(p);
  _mm_storeu_si128(out, _mm256_cvtps_ph(low_half(a), 0));
  _mm_storeu_si128(out + 1, _mm256_cvtps_ph(high_half(a), 0));
}
inline void store_bf16(uint16_t* p, F a) {
  store_bf16_8(p, low_half(a));
  store_bf16_8(p + 8, high_half(a));
}
// Rounds numbers in [-127, 127] to the nearest whole ones, ties to even.
inline void store_i8(int8_t* p, F a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(a)));
}

// Codes in [0, 255].
inline void store_probs(int16_t* p, Dots a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(a));
}
inline void store_probs(uint8_t* p, Dots a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a));
}

// Turns kLanes rows of kLanes numbers into columns.
inline void transpose(F* r) {
  F a[16], b[16];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    a[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    for (int j = 0; j < 2; ++j) {
      const __m512d low = _mm512_castps_pd(a[i + j]), high = _mm512_castps_pd(a[i + j + 2]);
      b[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
      b[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
    }
  }
  // b[4g + c] holds, in its quarter q, column 4q + c of rows 4g .. 4g + 3.
  for (int c = 0; c < 4; ++c) {
    const F even01 = _mm512_shuffle_f32x4(b[c], b[4 + c], 0x88);
    const F odd01 = _mm512_shuffle_f32x4(b[c], b[4 + c], 0xdd);
    const F even23 = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0x88);
    const F odd23 = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0xdd);
    r[c] = _mm512_shuffle_f32x4(even01, even23, 0x88);
    r[8 + c] = _mm512_shuffle_f32x4(even01, even23, 0xdd);
    r[4 + c] = _mm512_shuffle_f32x4(odd01, odd23, 0x88);
    r[12 + c] = _mm512_shuffle_f32x4(odd01, odd23, 0xdd);
  }
}

// --- 64-bit lanes that hold 32-bit numbers, see dropout.inl.h ---
using Wide = __m512i;
inline constexpr int kWide = 8;
inline Wide wide_set(uint64_t a) {
  return _mm512_set1_epi64(int64_t(a));
}
inline Wide wide_load(const uint64_t* p) {
  return _mm512_loadu_si512(p);
}
inline void wide_store(uint64_t* p, Wide a) {
  _mm512_storeu_si512(p, a);
}
inline Wide wide_xor(Wide a, Wide b) {
  return _mm512_xor_si512(a, b);
}
inline Wide wide_high(Wide a) {
  return _mm512_srli_epi64(a, 32);
}
// The lower halves of a, and those of b above them.
inline Wide wide_join(Wide a, Wide b) {
  return _mm512_xor_si512(_mm512_and_si512(a, _mm512_set1_epi64(0xffffffff)),
                          _mm512_slli_epi64(b, 32));
}
// The products of the lower halves.
inline Wide wide_product(Wide a, Wide b) {
  return _mm512_mul_epu32(a, b);
}

// --- 32-bit lanes of 8-bit products, see linear_groups.inl.h ---
inline constexpr int kDotRows = 6;
inline constexpr int kPackedRows = 6, kPackedVectors = 4;
inline Dots dots_set(int32_t a) {
  return _mm512_set1_epi32(a);
}
inline Dots dots_zero() {
  return _mm512_setzero_si512();
}
inline Dots dots_load(const int32_t* p) {
  return _mm512_loadu_si512(p);
}
inline void dots_store(int32_t* p, Dots a) {
  _mm512_storeu_si512(p, a);
}
inline Dots dots_negative(Dots a) {
  return _mm512_sub_epi32(dots_zero(), a);
}
inline F dots_float(Dots a) {
  return _mm512_cvtepi32_ps(a);
}
// Rounded to nearest, ties to even.
inline Dots dots_nearest(F a) {
  return _mm512_cvtps_epi32(a);
}
inline Dots dot_columns(const void* p) {
  return _mm512_loadu_si512(p);
}
inline Dots dot_splat(const void* p) {
  int32_t lane;
  __builtin_memcpy(&lane, p, 4);
  return _mm512_set1_epi32(lane);
}

// --- the same for strips_few.inl.h, packed_vnni.inl.h and packed_direct_x86.inl.h ---
inline Dots dots_add(Dots a, Dots b) {
  return _mm512_add_epi32(a, b);
}
inline Dots dots_and(Dots a, Dots b) {
  return _mm512_and_si512(a, b);
}
inline Dots dots_product(Dots a, Dots b) {
  return _mm512_mullo_epi32(a, b);
}
inline Dots dots_words_product(Dots a, Dots b) {
  return _mm512_mullo_epi16(a, b);
}
template <int kBits>
inline Dots dots_right(Dots a) {
  return _mm512_srli_epi32(a, kBits);
}
template <int kBits>
inline Dots dots_left(Dots a) {
  return _mm512_slli_epi32(a, kBits);
}
// a + b where the lane of `where` has this bit.
template <int kBit>
inline Dots dots_add_where(Dots where, Dots a, Dots b) {
  return _mm512_mask_add_epi32(a, _mm512_test_epi32_mask(where, _mm512_set1_epi32(1 << kBit)), a,
                               b);
}
inline void dots_store_bytes(uint8_t* p, Dots a) {
  _mm512_storeu_si512(p, a);
}
inline Dots stored_bytes(const uint8_t* p) {
  return dot_columns(p);
}
inline Dots stored_q8(const uint8_t* p) {
  return dot_columns(p);
}
inline constexpr int kStoredBias = kPackedOffset;
inline Dots low_halves(Dots a) {
  return _mm512_and_si512(a, _mm512_set1_epi8(15));
}
inline Dots high_halves(Dots a) {
  return low_halves(_mm512_srli_epi16(a, 4));
}
// Sums of pairs of products, u8 times s8, in 16 bits.
inline Dots bytes_product(Dots u8, Dots s8) {
  return _mm512_maddubs_epi16(u8, s8);
}
// Sums of pairs of products of words, in 32 bits.
inline Dots words_dot(Dots a, Dots b) {
  return _mm512_madd_epi16(a, b);
}

// --- for panel_words_x86.inl.h: of each 32-bit lane of bytes the first two or the last two ---
inline Dots words_set(int16_t a) {
  return _mm512_set1_epi16(a);
}
inline Dots words_sub(Dots a, Dots b) {
  return _mm512_sub_epi16(a, b);
}
inline Dots first_as_words(Dots a) {
  const __m128i from = _mm_setr_epi8(0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13, -1);
  return _mm512_shuffle_epi8(a, _mm512_broadcast_i32x4(from));
}
inline Dots last_as_words(Dots a) {
  return first_as_words(_mm512_srli_epi32(a, 16));
}
