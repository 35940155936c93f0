// dpbusd() of AVX-512 VNNI. Included inside the set's namespace, first.
using Dots = __m512i;
// Not the intrinsic: gcc 12 copies its sums from register to register and runs out of them, which
// halves the speed of a tile.
inline Dots dpbusd(Dots sums, Dots u8, Dots s8) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(u8), "v"(s8));
  return sums;
}
inline __m256i dpbusd_256(__m256i sums, __m256i u8, __m256i s8) {
  return _mm256_dpbusd_epi32(sums, u8, s8);
}
inline Dots all_bytes(int a) {
  return _mm512_set1_epi8(char(a));
}
