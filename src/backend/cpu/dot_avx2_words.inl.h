// dot() of AVX2. Included inside the set's namespace.
inline constexpr int kPackedRows = 6, kPackedVectors = 2;
inline Dots dot_offset() {
  return dots_zero();
}
inline Dots dot(Dots sums, Dots x, Dots w) {
  return dots_sum(sums, _mm256_madd_epi16(x, w));
}
// Attention's weights (0 .. 255) times values: as dot().
inline constexpr int kValueBias = 0;
inline Dots value_dot(Dots sums, DotVector p, DotVector v) {
  return dot(sums, p, v);
}
