// The AVX2 vocabulary (x86-64-v3: AVX2, FMA, F16C). Included inside the set's namespace.

using F = __m256;  // kLanes numbers

inline constexpr int kLanes = 8;
inline constexpr int kRegisters = 16;
// The register tile of a product: kTileRows rows x kTileVectors vectors, and a factor for each row.
inline constexpr int kTileRows = 6, kTileVectors = 2;

inline F load(const float* p) {
  return _mm256_loadu_ps(p);
}
inline void store(float* p, F a) {
  _mm256_storeu_ps(p, a);
}
inline F zero() {
  return _mm256_setzero_ps();
}
inline F set(float a) {
  return _mm256_set1_ps(a);
}
inline F add(F a, F b) {
  return _mm256_add_ps(a, b);
}
inline F sub(F a, F b) {
  return _mm256_sub_ps(a, b);
}
inline F mul(F a, F b) {
  return _mm256_mul_ps(a, b);
}
inline F div(F a, F b) {
  return _mm256_div_ps(a, b);
}
inline F fma(F a, F b, F c) {
  return _mm256_fmadd_ps(a, b, c);
}  // a * b + c
inline F neg_fma(F a, F b, F c) {
  return _mm256_fnmadd_ps(a, b, c);
}  // c - a * b
// A NaN in the second operand is passed on.
inline F max(F a, F b) {
  return _mm256_max_ps(a, b);
}
inline F min(F a, F b) {
  return _mm256_min_ps(a, b);
}
inline F abs(F a) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
inline F nearest(F a) {
  return _mm256_round_ps(a, 8);
}  // ties to even
// a < b ? yes : no
inline F if_less(F a, F b, F yes, F no) {
  return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
inline F nan_to_zero(F a) {
  return _mm256_and_ps(a, _mm256_cmp_ps(a, a, _CMP_ORD_Q));
}
// a * 2^n for whole n in [-126, 127].
inline F times_exp2(F a, F n) {
  const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23)));
}
inline float sum(F a) {
  return sum8(a);
}
inline float largest(F a) {
  return largest8(a);
}

inline F load_f16(const uint16_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline F load_bf16(const uint16_t* p) {
  const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}
inline F load_i8(const int8_t* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}
inline void store_f16(uint16_t* p, F a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(a, 0));
}
inline void store_bf16(uint16_t* p, F a) {
  store_bf16_8(p, a);
}
// Rounds numbers in [-127, 127] to the nearest whole ones, ties to even.
inline void store_i8(int8_t* p, F a) {
  store_i8_8(p, a);
}

// Codes in [0, 255].
inline void store_probs(int16_t* p, Dots a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1)));
}
inline void store_probs(uint8_t* p, Dots a) {
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
}

// Turns kLanes rows of kLanes numbers into columns.
inline void transpose(F* r) {
  F a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    a[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xee);
    b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xee);
  }
  for (int c = 0; c < 4; ++c) {
    r[c] = _mm256_permute2f128_ps(b[c], b[4 + c], 0x20);
    r[4 + c] = _mm256_permute2f128_ps(b[c], b[4 + c], 0x31);
  }
}

// --- 64-bit lanes that hold 32-bit numbers, see dropout.inl.h ---
using Wide = __m256i;
inline constexpr int kWide = 4;
inline Wide wide_set(uint64_t a) {
  return _mm256_set1_epi64x(int64_t(a));
}
inline Wide wide_load(const uint64_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline void wide_store(uint64_t* p, Wide a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a);
}
inline Wide wide_xor(Wide a, Wide b) {
  return _mm256_xor_si256(a, b);
}
inline Wide wide_high(Wide a) {
  return _mm256_srli_epi64(a, 32);
}
// The lower halves of a, and those of b above them.
inline Wide wide_join(Wide a, Wide b) {
  return _mm256_xor_si256(_mm256_and_si256(a, _mm256_set1_epi64x(0xffffffff)),
                          _mm256_slli_epi64(b, 32));
}
// The products of the lower halves.
inline Wide wide_product(Wide a, Wide b) {
  return _mm256_mul_epu32(a, b);
}

// --- 32-bit lanes of 8-bit products, see linear_groups.inl.h ---
inline constexpr int kDotRows = 3;
inline Dots dots_set(int32_t a) {
  return _mm256_set1_epi32(a);
}
inline Dots dots_zero() {
  return _mm256_setzero_si256();
}
inline Dots dots_load(const int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline void dots_store(int32_t* p, Dots a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a);
}
inline Dots dots_negative(Dots a) {
  return _mm256_sub_epi32(dots_zero(), a);
}
inline F dots_float(Dots a) {
  return _mm256_cvtepi32_ps(a);
}
// Rounded to nearest, ties to even.
inline Dots dots_nearest(F a) {
  return _mm256_cvtps_epi32(a);
}
inline Dots dot_columns(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
inline Dots dot_splat(const void* p) {
  int32_t lane;
  __builtin_memcpy(&lane, p, 4);
  return _mm256_set1_epi32(lane);
}

// --- the same for strips_few.inl.h, packed_vnni.inl.h and packed_direct_x86.inl.h ---
inline Dots dots_add(Dots a, Dots b) {
  return _mm256_add_epi32(a, b);
}
inline Dots dots_and(Dots a, Dots b) {
  return _mm256_and_si256(a, b);
}
inline Dots dots_product(Dots a, Dots b) {
  return _mm256_mullo_epi32(a, b);
}
inline Dots dots_words_product(Dots a, Dots b) {
  return _mm256_mullo_epi16(a, b);
}
template <int kBits>
inline Dots dots_right(Dots a) {
  return _mm256_srli_epi32(a, kBits);
}
template <int kBits>
inline Dots dots_left(Dots a) {
  return _mm256_slli_epi32(a, kBits);
}
// a + b where the lane of `where` has this bit.
template <int kBit>
inline Dots dots_add_where(Dots where, Dots a, Dots b) {
  const Dots all = _mm256_srai_epi32(_mm256_slli_epi32(where, 31 - kBit), 31);
  return _mm256_add_epi32(a, _mm256_and_si256(all, b));
}
inline void dots_store_bytes(uint8_t* p, Dots a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a);
}
inline Dots stored_bytes(const uint8_t* p) {
  return dot_columns(p);
}
inline Dots stored_q8(const uint8_t* p) {
  return dot_columns(p);
}
inline constexpr int kStoredBias = kPackedOffset;
inline Dots low_halves(Dots a) {
  return _mm256_and_si256(a, _mm256_set1_epi8(15));
}
inline Dots high_halves(Dots a) {
  return low_halves(_mm256_srli_epi16(a, 4));
}
// Sums of pairs of products, u8 times s8, in 16 bits.
inline Dots bytes_product(Dots u8, Dots s8) {
  return _mm256_maddubs_epi16(u8, s8);
}
// Sums of pairs of products of words, in 32 bits.
inline Dots words_dot(Dots a, Dots b) {
  return _mm256_madd_epi16(a, b);
}

// --- for panel_words_x86.inl.h: of each 32-bit lane of bytes the first two or the last two ---
inline Dots words_set(int16_t a) {
  return _mm256_set1_epi16(a);
}
inline Dots words_sub(Dots a, Dots b) {
  return _mm256_sub_epi16(a, b);
}
inline Dots first_as_words(Dots a) {
  const __m128i from = _mm_setr_epi8(0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13, -1);
  return _mm256_shuffle_epi8(a, _mm256_broadcastsi128_si256(from));
}
inline Dots last_as_words(Dots a) {
  return first_as_words(_mm256_srli_epi32(a, 16));
}
