#include "backend/cpu/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace ocelli::cpu {
namespace {
namespace avx_vnni {
using Dots = __m256i;
// Not the intrinsic, see kernels_avx512_vnni.cpp; without {vex} an assembler may take AVX-512's
// form.
inline Dots dpbusd(Dots sums, Dots u8, Dots s8) {
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums) : "x"(u8), "x"(s8));
  return sums;
}
inline Dots dpbusd_256(Dots sums, Dots u8, Dots s8) {
  return dpbusd(sums, u8, s8);
}
inline Dots all_bytes(int a) {
  return _mm256_set1_epi8(char(a));
}
#include "backend/cpu/dot_vnni.inl.h"
#include "backend/cpu/isa_x86.inl.h"
#include "backend/cpu/isa_avx2.inl.h"
inline constexpr int kPackedRows = 6, kPackedVectors = 2;
#include "backend/cpu/group_chains_plain.inl.h"
#include "backend/cpu/strips_few.inl.h"
#include "backend/cpu/packed_no_direct.inl.h"
#include "backend/cpu/packed_rows.inl.h"
#include "backend/cpu/packed_vnni.inl.h"
#include "backend/cpu/all_kernels.inl.h"
constexpr Kernels kTable = table("avx-vnni");
}  // namespace avx_vnni
}  // namespace

const Kernels* kernels_avx_vnni() {
  return &avx_vnni::kTable;
}
}  // namespace ocelli::cpu
#else
const ocelli::cpu::Kernels* ocelli::cpu::kernels_avx_vnni() {
  return nullptr;
}
#endif
