// SIMDe's names for the intrinsics are those of the instruction set (SIMDE_ENABLE_NATIVE_ALIASES).
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#include "backend/cpu/kernels.h"

namespace ocelli::cpu {
namespace {
namespace avx512_vnni {
#include "backend/cpu/emulated/simde_gaps.inl.h"
using Dots = __m512i;
inline Dots dpbusd(Dots sums, Dots u8, Dots s8) {
  return _mm512_dpbusd_epi32(sums, u8, s8);
}
inline __m256i dpbusd_256(__m256i sums, __m256i u8, __m256i s8) {
  return _mm256_dpbusd_epi32(sums, u8, s8);
}
inline Dots all_bytes(int a) {
  return _mm512_set1_epi8(char(a));
}
#include "backend/cpu/all_avx512_vnni.inl.h"
constexpr Kernels kTable = table("avx512-vnni");
}  // namespace avx512_vnni
}  // namespace

const Kernels* emulated_avx512_vnni();
const Kernels* emulated_avx512_vnni() { return &avx512_vnni::kTable; }
}  // namespace ocelli::cpu
