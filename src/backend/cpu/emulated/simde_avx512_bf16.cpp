// SIMDe's names for the intrinsics are those of the instruction set (SIMDE_ENABLE_NATIVE_ALIASES).
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#include "backend/cpu/kernels.h"

namespace ocelli::cpu {
namespace {
namespace avx512_bf16 {
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

// --- pairs of bfloat16 numbers, the first in the lower half of a lane ---
inline F as_floats(Dots pairs) {
  return _mm512_castsi512_ps(pairs);
}
inline Dots as_pairs(F floats) {
  return _mm512_castps_si512(floats);
}
// Numbers that follow each other: those of `a`, then those of `b`.
inline Dots bf16_rows(F a, F b) {
  uint16_t both[2 * kLanes];
  store_bf16(both, a);
  store_bf16(both + kLanes, b);
  return dot_columns(both);
}
// Pairs of a number of `a` and the one of `b` in the same lane.
inline Dots bf16_pairs(F a, F b) {
  uint16_t all[2 * kLanes], pairs[2 * kLanes];
  store_bf16(all, a);
  store_bf16(all + kLanes, b);
  for (int i = 0; i < 2 * kLanes; ++i) pairs[i] = all[i / 2 + i % 2 * kLanes];
  return dot_columns(pairs);
}
inline F pair_dot(F sums, Dots a, Dots b) {
  const Dots upper = _mm512_set1_epi32(int32_t(0xffff0000));
  const F odd = fma(as_floats(dots_and(a, upper)), as_floats(dots_and(b, upper)), sums);
  return fma(as_floats(dots_left<16>(a)), as_floats(dots_left<16>(b)), odd);
}
#include "backend/cpu/attention_bf16.inl.h"
#include "backend/cpu/linear_bf16.inl.h"
}  // namespace avx512_bf16
}  // namespace

const Kernels* emulated_avx512_vnni();
const Kernels* emulated_avx512_bf16();
const Kernels* emulated_avx512_bf16() {
  static const Kernels table = [] {
    Kernels t = *emulated_avx512_vnni();
    t.name = "avx512-bf16";
    t.attention_bf16 = avx512_bf16::kAttentionBF16;
    t.linear_bf16 = avx512_bf16::linear_bf16;
    t.bf16_loop = avx512_bf16::bf16_loop;
    return t;
  }();
  return &table;
}
}  // namespace ocelli::cpu
