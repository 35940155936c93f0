// SIMDe's names for the intrinsics are those of the instruction set (SIMDE_ENABLE_NATIVE_ALIASES).
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#include "backend/cpu/kernels.h"

namespace ocelli::cpu {
namespace {
namespace avx512 {
#include "backend/cpu/emulated/simde_gaps.inl.h"
using Dots = __m512i;
inline Dots dots_sum(Dots sums, Dots a) {
  return _mm512_add_epi32(sums, a);
}
inline Dots words_sum(Dots sums, Dots a) {
  return _mm512_add_epi16(sums, a);
}
inline __m256i dots_sum(__m256i sums, __m256i a) {
  return _mm256_add_epi32(sums, a);
}
inline __m256i words_sum(__m256i sums, __m256i a) {
  return _mm256_add_epi16(sums, a);
}
#include "backend/cpu/dot_words.inl.h"
#include "backend/cpu/isa_x86.inl.h"
#include "backend/cpu/isa_avx512.inl.h"
#include "backend/cpu/dot_avx512_words.inl.h"
#include "backend/cpu/group_chains_avx512.inl.h"
#include "backend/cpu/packed_words_x86.inl.h"
#include "backend/cpu/packed_direct_x86.inl.h"
#include "backend/cpu/packed_rows.inl.h"
#include "backend/cpu/panel_words_x86.inl.h"
#include "backend/cpu/all_kernels.inl.h"
constexpr Kernels kTable = table("avx512");
}  // namespace avx512
}  // namespace

const Kernels* emulated_avx512();
const Kernels* emulated_avx512() { return &avx512::kTable; }
}  // namespace ocelli::cpu
