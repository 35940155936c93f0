#include "backend/cpu/kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>

namespace ocelli::cpu {
namespace {
namespace neon_i8mm {
#include "backend/cpu/isa_neon.inl.h"
#include "backend/cpu/dot_neon_dotprod.inl.h"
#include "backend/cpu/group_chains_plain.inl.h"
#include "backend/cpu/strips_few.inl.h"
#include "backend/cpu/packed_no_direct.inl.h"
#include "backend/cpu/packed_pairs_neon.inl.h"
#include "backend/cpu/packed_plain.inl.h"
#include "backend/cpu/all_kernels.inl.h"
constexpr Kernels kTable = table("neon-i8mm");
}  // namespace neon_i8mm
}  // namespace

const Kernels* kernels_neon_i8mm() { return &neon_i8mm::kTable; }
}  // namespace ocelli::cpu
#else
const ocelli::cpu::Kernels* ocelli::cpu::kernels_neon_i8mm() { return nullptr; }
#endif
