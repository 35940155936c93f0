// dot() of AVX-512 VNNI and AVX-VNNI: four products of an unsigned and a signed byte in one
// instruction, which whoever includes this offers as dpbusd() and, of 256 bits, dpbusd_256(),
// beside all_bytes() for a vector of equal bytes. Included inside the set's namespace.
using DotVector = Dots;
using DotW = int8_t;
using DotX = uint8_t;
inline constexpr int kDotDepth = 4, kDotOffset = 128;

inline Dots dot_offset() {
  return all_bytes(kDotOffset);
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
  return dpbusd_256(_mm256_setzero_si256(), a, b);
}
// The same for a whole vector.
inline Dots dot_all(Dots a, Dots b) {
  return dpbusd(all_bytes(0), a, b);
}
