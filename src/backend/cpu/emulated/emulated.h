// Emulations of x86 instruction sets for tests, compiled against SIMDe: they run on any machine.
#pragma once

#include <span>

#include "backend/cpu/kernels.h"

namespace ocelli::cpu {

// Empty where SIMDe was not found at build time.
std::span<const Kernels* const> emulated_kernels();

}  // namespace ocelli::cpu
