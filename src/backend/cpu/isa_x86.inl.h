// What the x86 sets share: 256-bit halves and 8-bit dot products of one block (AVX2, F16C).
// Included inside the set's namespace.

inline float sum8(__m256 a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
inline float largest8(__m256 a) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

// Round to nearest even; a NaN keeps its upper bits and becomes quiet.
inline void store_bf16_8(uint16_t* p, __m256 a) {
  const __m256i bits = _mm256_castps_si256(a);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
  const __m256i high = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, is_nan), 16);
  const __m128i packed =
      _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), packed);
}
inline void store_i8_8(int8_t* p, __m256 a) {
  const __m256i codes = _mm256_cvtps_epi32(a);
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words, words));
}
// The sum of 32 codes.
inline int32_t block_sum(const int8_t* p) {
  const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  const __m256i sums =
      _mm256_sad_epu8(_mm256_xor_si256(codes, _mm256_set1_epi8(-128)), _mm256_setzero_si256());
  const __m128i two =
      _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  return _mm_cvtsi128_si32(_mm_add_epi64(two, _mm_unpackhi_epi64(two, two))) - 32 * 128;
}
inline float half_to_float(const void* p) {
  uint16_t bits;
  __builtin_memcpy(&bits, p, 2);
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)));
}

// --- 8-bit dot products along a row, a group of 32 at a time (decode) ---
using Floats8 = __m256;
inline Floats8 zero8() {
  return _mm256_setzero_ps();
}
inline Floats8 set8(float a) {
  return _mm256_set1_ps(a);
}
inline Floats8 halves8(float low, float high) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_set1_ps(low)), _mm_set1_ps(high), 1);
}
inline Floats8 load8(const float* p) {
  return _mm256_loadu_ps(p);
}
inline void store8(float* p, Floats8 a) {
  _mm256_storeu_ps(p, a);
}
inline Floats8 bytes8(const uint8_t* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
}
inline Floats8 f16s8(const uint16_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Floats8 mul8(Floats8 a, Floats8 b) {
  return _mm256_mul_ps(a, b);
}
inline Floats8 add8(Floats8 a, Floats8 b) {
  return _mm256_add_ps(a, b);
}
inline Floats8 fma8(Floats8 a, Floats8 b, Floats8 c) {
  return _mm256_fmadd_ps(a, b, c);
}
// Products of 32 codes of a weight and of x, added four at a time in their order. A signed weight
// is taken as |w| times x with w's sign.
template <bool kSigned>
inline Floats8 group_dots(const void* w, const int8_t* x) {
  const __m256i a = _mm256_loadu_si256(static_cast<const __m256i*>(w));
  const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  return _mm256_cvtepi32_ps(kSigned ? dot32(_mm256_abs_epi8(a), _mm256_sign_epi8(b, a))
                                    : dot32(a, b));
}
