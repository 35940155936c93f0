#include "backend/cpu/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace ocelli::cpu {
namespace {
namespace avx512_vnni {
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
#include "backend/cpu/dot_vnni.inl.h"
#include "backend/cpu/isa_x86.inl.h"
#include "backend/cpu/isa_avx512.inl.h"
#include "backend/cpu/group_chains_avx512.inl.h"
#include "backend/cpu/strips_few.inl.h"
#include "backend/cpu/packed_no_direct.inl.h"
#include "backend/cpu/packed_rows.inl.h"
#include "backend/cpu/packed_vnni.inl.h"
#include "backend/cpu/all_kernels.inl.h"
constexpr Kernels kTable = table("avx512-vnni");
}  // namespace avx512_vnni
}  // namespace

const Kernels* kernels_avx512_vnni() { return &avx512_vnni::kTable; }
}  // namespace ocelli::cpu
#else
const ocelli::cpu::Kernels* ocelli::cpu::kernels_avx512_vnni() { return nullptr; }
#endif
