// Which instruction sets this build has and this machine runs, and which one is taken.
#include <array>
#include <cstdlib>
#include <new>
#include <string>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/cpu_backend_impl.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace ocelli::cpu {
namespace {

struct Abilities {
  bool x86_64_v3 = false, avx_vnni = false, avx512 = false, avx512_vnni = false,
       avx512_bf16 = false;
  bool neon = false, neon_dotprod = false, neon_i8mm = false;
};

#if defined(__x86_64__)
struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};
Registers cpuid(unsigned leaf, unsigned part = 0) {
  Registers r;
  if (__get_cpuid_count(leaf, part, &r.a, &r.b, &r.c, &r.d) == 0) return {};
  return r;
}
bool has(unsigned bits, std::initializer_list<int> wanted) {
  for (const int bit : wanted) {
    if ((bits >> bit & 1) == 0) return false;
  }
  return true;
}
// The registers that the system saves when it switches threads (XGETBV).
unsigned saved_state() {
  unsigned low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}
// Bits as in Intel's manual, volume 2A, CPUID; the levels as in the x86-64 psABI.
Abilities detect() {
  const Registers one = cpuid(1), seven = cpuid(7), more = cpuid(0x80000001);
  Abilities can;
  // FMA 12, CMPXCHG16B 13, SSE4.1 19, SSE4.2 20, MOVBE 22, POPCNT 23, OSXSAVE 27, AVX 28, F16C 29
  if (!has(one.c, {12, 13, 19, 20, 22, 23, 27, 28, 29})) return can;
  const unsigned saved = saved_state();
  // BMI1 3, AVX2 5, BMI2 8; LZCNT 5; xmm and ymm
  can.x86_64_v3 = has(seven.b, {3, 5, 8}) && has(more.c, {5}) && has(saved, {1, 2});
  can.avx_vnni = can.x86_64_v3 && seven.a >= 1 && has(cpuid(7, 1).a, {4});
  // F 16, DQ 17, CD 28, BW 30, VL 31; masks and zmm
  can.avx512 = can.x86_64_v3 && has(seven.b, {16, 17, 28, 30, 31}) && has(saved, {5, 6, 7});
  can.avx512_vnni = can.avx512 && has(seven.c, {11});
  can.avx512_bf16 = can.avx512_vnni && seven.a >= 1 && has(cpuid(7, 1).a, {5});
  return can;
}
#elif defined(__aarch64__)
Abilities detect() {
  constexpr unsigned long kDotProduct = 1ul << 20;  // HWCAP_ASIMDDP
  constexpr unsigned long kMatrix = 1ul << 13;      // HWCAP2_I8MM
  Abilities can;
  can.neon = true;
  can.neon_dotprod = (getauxval(AT_HWCAP) & kDotProduct) != 0;
  can.neon_i8mm = can.neon_dotprod && (getauxval(AT_HWCAP2) & kMatrix) != 0;
  return can;
}
#else
Abilities detect() {
  return {};
}
#endif

struct Set {
  InstructionSetInfo info;
  const Kernels* native = nullptr;
  const Kernels* emulated = nullptr;
  const Kernels* kernels() const { return info.executable ? native : emulated; }
};

struct Sets {
  std::array<Set, 8> all;
  std::array<InstructionSetInfo, 8> infos;

  Sets() {
    const Abilities can = detect();
    const auto set = [&](InstructionSet which, std::string_view name, const Kernels* native,
                         bool able) {
      const bool compiled = native != nullptr;
      all[size_t(which)] = {{which, name, compiled, compiled && able, false}, native, nullptr};
    };
    set(InstructionSet::kX86_64V3, "x86-64-v3", kernels_x86_64_v3(), can.x86_64_v3);
    set(InstructionSet::kAvxVnni, "avx-vnni", kernels_avx_vnni(), can.avx_vnni);
    set(InstructionSet::kAvx512, "avx512", kernels_avx512(), can.avx512);
    set(InstructionSet::kAvx512Vnni, "avx512-vnni", kernels_avx512_vnni(), can.avx512_vnni);
    set(InstructionSet::kAvx512BF16, "avx512-bf16", kernels_avx512_bf16(), can.avx512_bf16);
    set(InstructionSet::kNeon, "neon", kernels_neon(), can.neon);
    set(InstructionSet::kNeonDotprod, "neon-dotprod", kernels_neon_dotprod(), can.neon_dotprod);
    set(InstructionSet::kNeonI8mm, "neon-i8mm", kernels_neon_i8mm(), can.neon_i8mm);
    list();
  }
  void list() {
    for (size_t i = 0; i < all.size(); ++i) infos[i] = all[i].info;
  }
};

Sets& sets() {
  static Sets the_sets;
  return the_sets;
}

std::string known_names() {
  std::string names;
  for (const Set& s : sets().all) {
    if (s.kernels() == nullptr) continue;
    names += names.empty() ? "" : ", ";
    names += s.info.name;
  }
  return names.empty() ? "none" : names;
}

base::Result<std::unique_ptr<tensor::Backend>> make(const Set& set, std::string_view where) {
  if (set.kernels() == nullptr) {
    return base::fail(base::Code::kUsage,
                      "this CPU does not run the instruction set (" + std::string(set.info.name) +
                          "); choose one of: " + known_names(),
                      where);
  }
  return std::unique_ptr<tensor::Backend>(std::make_unique<CpuBackend>(*set.kernels()));
}

struct Scratch {
  static constexpr std::align_val_t kAlign{64};
  float* memory =
      static_cast<float*>(::operator new(size_t(kScratchFloats) * sizeof(float), kAlign));
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { ::operator delete(memory, kAlign); }
};

struct RecordMemory {
  std::byte* memory = nullptr;
  int64_t bytes = 0;
  RecordMemory() = default;
  RecordMemory(const RecordMemory&) = delete;
  RecordMemory& operator=(const RecordMemory&) = delete;
  ~RecordMemory() { ::operator delete(memory, Scratch::kAlign); }
  void grow(int64_t to) {
    if (to <= bytes) return;
    ::operator delete(memory, Scratch::kAlign);
    memory = static_cast<std::byte*>(::operator new(size_t(to), Scratch::kAlign));
    bytes = to;
  }
};

}  // namespace

float* thread_scratch() {
  thread_local Scratch scratch;
  return scratch.memory;
}

std::byte* thread_records(int64_t bytes) {
  thread_local RecordMemory records;
  records.grow(bytes);
  return records.memory;
}

Workspace workspace() {
  return {kScratchFloats * int64_t(sizeof(float)), kRecordBytes};
}

const Kernels* native_kernels(InstructionSet set) {
  const Set& s = sets().all[size_t(set)];
  return s.info.executable ? s.native : nullptr;
}

void offer_emulated(std::span<const Kernels* const> tables) {
  for (Set& s : sets().all) {
    for (const Kernels* table : tables) {
      if (s.info.name == table->name) s.emulated = table;
    }
    s.info.emulated = !s.info.executable && s.emulated != nullptr;
  }
  sets().list();
}

std::span<const InstructionSetInfo> instruction_sets() {
  return sets().infos;
}

base::Result<std::unique_ptr<tensor::Backend>> make_cpu_backend(
    std::optional<InstructionSet> forced) {
  if (forced) return make(sets().all[size_t(*forced)], {});
  if (const char* const name = std::getenv("OCELLI_ISA"); name != nullptr && *name != '\0') {
    for (const Set& s : sets().all) {
      if (s.info.name == name) return make(s, "OCELLI_ISA");
    }
    return base::fail(base::Code::kUsage,
                      "no instruction set has this name (" + base::printable(name) +
                          "); choose one of: " + known_names(),
                      "OCELLI_ISA");
  }
  for (size_t i = sets().all.size(); i-- > 0;) {
    if (const Set& s = sets().all[i]; s.info.executable) return make(s, {});
  }
  return std::unique_ptr<tensor::Backend>(std::make_unique<reference::ReferenceBackend>());
}

}  // namespace ocelli::cpu
