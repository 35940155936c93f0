#include "backend/cpu/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace ocelli::cpu {
namespace {
namespace x86_64_v3 {
using Dots = __m256i;
#include "backend/cpu/sums_x86.inl.h"
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

const Kernels* kernels_x86_64_v3() { return &x86_64_v3::kTable; }
}  // namespace ocelli::cpu
#else
const ocelli::cpu::Kernels* ocelli::cpu::kernels_x86_64_v3() { return nullptr; }
#endif
