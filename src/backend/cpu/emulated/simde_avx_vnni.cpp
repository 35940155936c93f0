// SIMDe's names for the intrinsics are those of the instruction set (SIMDE_ENABLE_NATIVE_ALIASES).
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#include "backend/cpu/kernels.h"

namespace ocelli::cpu {
namespace {
namespace avx_vnni {
using Dots = __m256i;
inline Dots dpbusd(Dots sums, Dots u8, Dots s8) {
  return _mm256_dpbusd_epi32(sums, u8, s8);
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

const Kernels* emulated_avx_vnni();
const Kernels* emulated_avx_vnni() {
  return &avx_vnni::kTable;
}
}  // namespace ocelli::cpu
