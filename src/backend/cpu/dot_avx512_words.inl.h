// dot() of AVX-512 without VNNI. Included inside the set's namespace.
inline Dots dot_offset() {
  return dots_zero();
}
inline Dots dot(Dots sums, Dots x, Dots w) {
  return dots_sum(sums, _mm512_madd_epi16(x, w));
}
// 16 partial sums of a . b, a unsigned and at most 127, or 128 and b not -128.
inline __m512i dot_all(__m512i a, __m512i b) {
  return _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), _mm512_set1_epi16(1));
}
// Attention's weights (0 .. 255) times values: as dot().
inline constexpr int kValueBias = 0;
inline Dots value_dot(Dots sums, DotVector p, DotVector v) {
  return dot(sums, p, v);
}
