#include "backend/cpu/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace ocelli::cpu {
namespace {
namespace avx512 {
using Dots = __m512i;
#include "backend/cpu/sums_x86.inl.h"
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

const Kernels* kernels_avx512() { return &avx512::kTable; }
}  // namespace ocelli::cpu
#else
const ocelli::cpu::Kernels* ocelli::cpu::kernels_avx512() { return nullptr; }
#endif
