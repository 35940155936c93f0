// dot() of AVX-512 VNNI: four products of an unsigned and a signed byte in one instruction, which
// whoever includes this offers as dpbusd().
// Included inside the set's namespace.
using DotVector = Dots;
using DotW = int8_t;
using DotX = uint8_t;
inline constexpr int kDotDepth = 4, kDotOffset = 128;

inline Dots dot_offset() {
  return _mm512_set1_epi8(char(kDotOffset));
}
inline Dots dot(Dots sums, Dots x, Dots w) {
  return dpbusd(sums, x, w);
}
// Attention's weights (0 .. 255) times values: as dot().
inline constexpr int kValueBias = 0;
inline Dots value_dot(Dots sums, DotVector p, DotVector v) {
  return dot(sums, p, v);
}

// 8 partial sums of a . b, a unsigned.
inline __m256i dot32(__m256i a, __m256i b) {
  return _mm256_dpbusd_epi32(_mm256_setzero_si256(), a, b);
}
inline __m512i dot64(__m512i a, __m512i b) {
  return dpbusd(_mm512_setzero_si512(), a, b);
}
