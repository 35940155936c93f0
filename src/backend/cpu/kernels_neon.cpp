#include "backend/cpu/kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>

namespace ocelli::cpu {
namespace {
namespace neon {
#include "backend/cpu/isa_neon.inl.h"
#include "backend/cpu/dot_neon_words.inl.h"
#include "backend/cpu/group_chains_plain.inl.h"
#include "backend/cpu/packed_few_none.inl.h"
#include "backend/cpu/packed_no_direct.inl.h"
#include "backend/cpu/packed_rows.inl.h"
#include "backend/cpu/packed_plain.inl.h"
#include "backend/cpu/all_kernels.inl.h"
constexpr Kernels kTable = table("neon");
}  // namespace neon
}  // namespace

const Kernels* kernels_neon() { return &neon::kTable; }
}  // namespace ocelli::cpu
#else
const ocelli::cpu::Kernels* ocelli::cpu::kernels_neon() { return nullptr; }
#endif
