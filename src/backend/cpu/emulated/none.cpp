#include "backend/cpu/emulated/emulated.h"

std::span<const ocelli::cpu::Kernels* const> ocelli::cpu::emulated_kernels() { return {}; }
