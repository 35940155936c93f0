// What AVX512-BF16 adds to avx512-vnni: products and attention in bfloat16.
#include "backend/cpu/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace ocelli::cpu {
namespace {
namespace avx512_bf16 {
#include "backend/cpu/dpbusd_avx512.inl.h"
#include "backend/cpu/all_avx512_vnni.inl.h"

// --- pairs of bfloat16 numbers, the first in the lower half of a lane ---
inline F as_floats(Dots pairs) {
  return _mm512_castsi512_ps(pairs);
}
inline Dots as_pairs(F floats) {
  return _mm512_castps_si512(floats);
}
// Numbers that follow each other: those of `a`, then those of `b`.
inline Dots bf16_rows(F a, F b) {
  return (__m512i)_mm512_cvtne2ps_pbh(b, a);
}
// Pairs of a number of `a` and the one of `b` in the same lane.
inline Dots bf16_pairs(F a, F b) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24,
                                         8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, bf16_rows(a, b));
}
// (Not the intrinsic, as dpbusd().)
inline F pair_dot(F sums, Dots a, Dots b) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sums) : "v"(a), "v"(b));
  return sums;
}
#include "backend/cpu/attention_bf16.inl.h"
#include "backend/cpu/linear_bf16.inl.h"
}  // namespace avx512_bf16
}  // namespace

const Kernels* kernels_avx512_bf16() {
  static const Kernels table = [] {
    Kernels t = *kernels_avx512_vnni();
    t.name = "avx512-bf16";
    t.attention_bf16 = avx512_bf16::kAttentionBF16;
    t.linear_bf16 = avx512_bf16::linear_bf16;
    t.bf16_loop = avx512_bf16::bf16_loop;
    return t;
  }();
  return &table;
}
}  // namespace ocelli::cpu
#else
const ocelli::cpu::Kernels* ocelli::cpu::kernels_avx512_bf16() { return nullptr; }
#endif
