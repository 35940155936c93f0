// A function compiled a second and third time for wider vectors, where its loops are plain enough
// for the compiler to turn them into such:
//
//   [[gnu::always_inline]] inline void sum_up(...) { ... }
//   void sum_baseline(...) { sum_up(...); }
//   OCELLI_FOR_AVX2 void sum_avx2(...) { sum_up(...); }  // call it if cpu_runs(Variant::kAvx2)
#pragma once

namespace ocelli::base {

enum class Variant { kAvx2, kAvx512 };

#if defined(__x86_64__)
#define OCELLI_FOR_AVX2 [[gnu::target("avx2")]]
#if defined(__clang__)  // has no word for the width in this attribute
#define OCELLI_FOR_AVX512 [[gnu::target("avx512f,avx512bw")]]
#else
#define OCELLI_FOR_AVX512 [[gnu::target("avx512f,avx512bw,prefer-vector-width=512")]]
#endif

inline bool cpu_runs(Variant variant) {
  return variant == Variant::kAvx2 ? __builtin_cpu_supports("avx2")
                                   : __builtin_cpu_supports("avx512bw");
}
#else
#define OCELLI_FOR_AVX2
#define OCELLI_FOR_AVX512
inline bool cpu_runs(Variant) {
  return false;
}
#endif

}  // namespace ocelli::base
