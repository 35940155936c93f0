// Sums of 32-bit lanes and of 16-bit words that are added to in place, 256 or 512 bits wide. Not
// the intrinsics: gcc 12 copies sums from register to register and runs out of them, which halves
// the speed of a tile. Included inside the set's namespace.
template <class Vector>
inline Vector dots_sum(Vector sums, Vector a) {
  asm("vpaddd %1, %0, %0" : "+v"(sums) : "v"(a));
  return sums;
}
template <class Vector>
inline Vector words_sum(Vector sums, Vector a) {
  asm("vpaddw %1, %0, %0" : "+v"(sums) : "v"(a));
  return sums;
}
