// The backend for this CPU: kernels for the best instruction set that it and the system support.
//
//   make_cpu_backend()                               the best one
//   make_cpu_backend(InstructionSet::kX86_64V3)      that one, or an error
//   OCELLI_ISA=avx512 in the environment             the same for whoever does not choose
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"
#include "tensor/backend.h"

namespace ocelli::cpu {

// From the plainest to the best of each processor family.
enum class InstructionSet : uint8_t {
  kX86_64V3,
  kAvxVnni,
  kAvx512,
  kAvx512Vnni,
  kAvx512BF16,
  kNeon,
  kNeonDotprod,
  kNeonI8mm,
};

struct InstructionSetInfo {
  InstructionSet set;
  // "x86-64-v3", "avx-vnni", "avx512", "avx512-vnni", "avx512-bf16", "neon", "neon-dotprod",
  // "neon-i8mm"
  std::string_view name;
  bool compiled;    // this build has its kernels
  bool executable;  // and this machine runs them
  bool emulated;    // it does not, but this (test) program has an emulation
};

// All of them, in the order of the enumeration.
std::span<const InstructionSetInfo> instruction_sets();

// Without `forced`: the set named by the environment variable OCELLI_ISA, otherwise the best that
// is executable here, otherwise the reference backend. Fails (kUsage) when a set is asked for by a
// name that does not exist, or one that is neither executable nor emulated here.
//
// The backend may be used from several threads at once. Results are the same, bit for bit, whatever
// the number of threads in the pool. Rows of a batch influence each other in two ways only: linear
// and attention have kernels of their own for at most 4 rows (queries), which add up in another
// order, and attention that may be in bfloat16 is so for 64 queries and more, so that decoding
// differs from prefilling by rounding.
base::Result<std::unique_ptr<tensor::Backend>> make_cpu_backend(
    std::optional<InstructionSet> forced = {});

// Bytes that kernels keep between calls, at most: `thread` for each thread (unpacked panels of
// weights, scores of attention), `call` for whoever calls them (activations in 8 bits).
struct Workspace {
  int64_t thread = 0, call = 0;
};
Workspace workspace();

}  // namespace ocelli::cpu
