// 8-bit products through 16-bit words (AVX2, AVX-512 without VNNI): codes are widened once per
// panel. vpmaddubsw would be no faster for codes of a full 8 bits: it takes three instructions more
// for signs and widening. Included inside the set's namespace, after Dots is known.

using DotVector = Dots;
using DotW = int16_t;
using DotX = int16_t;
inline constexpr int kDotDepth = 2, kDotOffset = 0;

// 8 partial sums of a . b, a unsigned, |a b| summed in pairs below 2^15.
inline __m256i dot32(__m256i a, __m256i b) {
  return _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1));
}
