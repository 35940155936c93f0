#include "backend/cpu/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace ocelli::cpu {
namespace {
namespace avx512_vnni {
#include "backend/cpu/dpbusd_avx512.inl.h"
#include "backend/cpu/all_avx512_vnni.inl.h"
constexpr Kernels kTable = table("avx512-vnni");
}  // namespace avx512_vnni
}  // namespace

const Kernels* kernels_avx512_vnni() { return &avx512_vnni::kTable; }
}  // namespace ocelli::cpu
#else
const ocelli::cpu::Kernels* ocelli::cpu::kernels_avx512_vnni() { return nullptr; }
#endif
