// SIMDe's names for the intrinsics are those of the instruction set (SIMDE_ENABLE_NATIVE_ALIASES).
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#include "backend/cpu/kernels.h"

namespace ocelli::cpu {
namespace {
namespace x86_64_v3 {
using Dots = __m256i;
inline Dots dots_sum(Dots sums, Dots a) {
  return _mm256_add_epi32(sums, a);
}
inline Dots words_sum(Dots sums, Dots a) {
  return _mm256_add_epi16(sums, a);
}
#include "backend/cpu/dot_words.inl.h"
#include "backend/cpu/isa_x86.inl.h"
#include "backend/cpu/isa_avx2.inl.h"
#include "backend/cpu/dot_avx2_words.inl.h"
#include "backend/cpu/group_chains_plain.inl.h"
#include "backend/cpu/packed_words_x86.inl.h"
#include "backend/cpu/packed_direct_x86.inl.h"
#include "backend/cpu/packed_rows.inl.h"
#include "backend/cpu/panel_words_x86.inl.h"
#include "backend/cpu/all_kernels.inl.h"
constexpr Kernels kTable = table("x86-64-v3");
}  // namespace x86_64_v3
}  // namespace

const Kernels* emulated_x86_64_v3();
const Kernels* emulated_x86_64_v3() { return &x86_64_v3::kTable; }
}  // namespace ocelli::cpu
