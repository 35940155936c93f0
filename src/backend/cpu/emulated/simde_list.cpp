#include "backend/cpu/emulated/emulated.h"

namespace ocelli::cpu {

const Kernels* emulated_x86_64_v3();
const Kernels* emulated_avx_vnni();
const Kernels* emulated_avx512();
const Kernels* emulated_avx512_vnni();
const Kernels* emulated_avx512_bf16();

std::span<const Kernels* const> emulated_kernels() {
  static const Kernels* const kTables[] = {emulated_x86_64_v3(), emulated_avx_vnni(),
                                           emulated_avx512(), emulated_avx512_vnni(),
                                           emulated_avx512_bf16()};
  return kTables;
}

}  // namespace ocelli::cpu
