// What the sets with AVX-512 VNNI share, native and emulated, after `Dots` and its dpbusd().
// clang-format off: the order matters.
#include "backend/cpu/dot_vnni.inl.h"
#include "backend/cpu/isa_x86.inl.h"
#include "backend/cpu/isa_avx512.inl.h"
#include "backend/cpu/group_chains_avx512.inl.h"
#include "backend/cpu/strips_few.inl.h"
#include "backend/cpu/packed_no_direct.inl.h"
#include "backend/cpu/packed_rows.inl.h"
#include "backend/cpu/packed_vnni.inl.h"
#include "backend/cpu/all_kernels.inl.h"
