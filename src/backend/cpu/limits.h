// What one thread of this machine can do at best with an instruction set, measured: what kernels
// are compared with.
#pragma once

#include "backend/cpu/cpu_backend.h"

namespace ocelli::cpu {

struct Limits {
  double f32_operations = 0;    // per second; a multiply-add counts as two
  double int8_operations = 0;   // of products with q8 weights, likewise
  double bf16_operations = 0;   // of products with bf16 weights: as float32 where the set has none
  double read_bytes = 0;        // per second, from memory too large for any cache, in large pages
  double read_bytes_small = 0;  // the same in pages of 4 KiB
};

// Takes about `seconds` for each of the five, on the calling thread, and returns the best of many
// short runs in processor time. Requires that the set is executable here.
Limits measure_limits(InstructionSet set, double seconds = 0.1);

}  // namespace ocelli::cpu
