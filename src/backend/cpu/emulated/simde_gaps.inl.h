// AVX-512 intrinsics that SIMDe 0.7.4 lacks, from halves. Included inside the set's namespace.
inline __m512i two_halves(__m256i low, __m256i high) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}
inline __m512 two_halves(__m256 low, __m256 high) {
  return _mm512_castsi512_ps(two_halves(_mm256_castps_si256(low), _mm256_castps_si256(high)));
}
inline __m256i high_of(__m512i a) {
  return _mm512_extracti64x4_epi64(a, 1);
}
inline __m256 high_of(__m512 a) {
  return _mm256_castsi256_ps(high_of(_mm512_castps_si512(a)));
}

inline __m512 _mm512_cvtph_ps(__m256i a) {
  return two_halves(_mm256_cvtph_ps(_mm256_castsi256_si128(a)),
                    _mm256_cvtph_ps(_mm256_extracti128_si256(a, 1)));
}
inline __m512i _mm512_cvtepu16_epi32(__m256i a) {
  return two_halves(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(a)),
                    _mm256_cvtepu16_epi32(_mm256_extracti128_si256(a, 1)));
}
inline __m512i _mm512_cvtepi8_epi32(__m128i a) {
  return two_halves(_mm256_cvtepi8_epi32(a), _mm256_cvtepi8_epi32(_mm_srli_si128(a, 8)));
}
inline __m512 _mm512_cvtepi32_ps(__m512i a) {
  return two_halves(_mm256_cvtepi32_ps(_mm512_castsi512_si256(a)), _mm256_cvtepi32_ps(high_of(a)));
}
inline __m512i _mm512_cvtps_epi32(__m512 a) {
  return two_halves(_mm256_cvtps_epi32(_mm512_castps512_ps256(a)), _mm256_cvtps_epi32(high_of(a)));
}
template <class To>
inline void first_bytes(__m512i a, To* to) {
  int32_t lanes[16];
  _mm512_storeu_si512(lanes, a);
  for (int i = 0; i < 16; ++i) to[i] = To(lanes[i]);
}
inline __m256i _mm512_cvtepi32_epi16(__m512i a) {
  int16_t words[16];
  first_bytes(a, words);
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words));
}
inline __m128i _mm512_cvtepi32_epi8(__m512i a) {
  int8_t bytes[16];
  first_bytes(a, bytes);
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}
inline __m512 _mm512_shuffle_f32x4(__m512 a, __m512 b, int choice) {
  float from[32], to[16];
  _mm512_storeu_ps(from, a);
  _mm512_storeu_ps(from + 16, b);
  for (int i = 0; i < 16; ++i) {
    const int quarter = choice >> (2 * (i / 4)) & 3;
    to[i] = from[(i < 8 ? 0 : 16) + 4 * quarter + i % 4];
  }
  return _mm512_loadu_ps(to);
}
// Its alias for this one takes a wrong number of arguments.
#undef _mm512_madd_epi16
inline __m512i _mm512_madd_epi16(__m512i a, __m512i b) {
  return simde_mm512_madd_epi16(a, b);
}
