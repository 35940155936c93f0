#include "backend/cpu/limits.h"

#include <time.h>

#include <algorithm>
#include <vector>

#include "backend/cpu/cpu_backend_impl.h"
#include "base/check.h"
#include "tensor/arena.h"

namespace ocelli::cpu {
namespace {

constexpr int64_t kReadNumbers = int64_t{32} << 20;  // 128 MiB

double thread_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

// The best rate of `run` (which returns how much it did) within `seconds`, at least three runs.
template <class Run>
double best_rate(double seconds, Run run) {
  const double end = thread_seconds() + seconds;
  double best = 0;
  for (int i = 0; i < 3 || thread_seconds() < end; ++i) {
    const double before = thread_seconds(), done = run();
    best = std::max(best, done / std::max(thread_seconds() - before, 1e-9));
  }
  return best;
}

double read_rate(const Kernels& kernels, tensor::Arena::Pages pages, double seconds, float* sink) {
  auto arena = tensor::Arena::create(int64_t{2} * kReadNumbers * int64_t(sizeof(float)), pages);
  OCELLI_CHECK(arena.ok(), "there is memory to measure with");
  float* const memory = arena->take<float>(kReadNumbers);
  std::fill_n(memory, kReadNumbers, 1.0f);
  return best_rate(seconds, [&] {
    kernels.read_loop(memory, kReadNumbers, sink);
    return double(kReadNumbers) * sizeof(float);
  });
}

}  // namespace

Limits measure_limits(InstructionSet set, double seconds) {
  const Kernels* const kernels = native_kernels(set);
  OCELLI_CHECK(kernels != nullptr, "limits are measured for sets that this CPU runs");
  constexpr int64_t kRounds = 200000;
  std::vector<float> sink(64, 0.5f);
  Limits limits;
  limits.f32_operations =
      best_rate(seconds, [&] { return kernels->fma_loop(kRounds, sink.data()); });
  limits.int8_operations =
      best_rate(seconds, [&] { return kernels->dot_loop(kRounds, sink.data()); });
  limits.bf16_operations = limits.f32_operations;
  if (kernels->bf16_loop) {
    limits.bf16_operations =
        best_rate(seconds, [&] { return kernels->bf16_loop(kRounds, sink.data()); });
  }
  using Pages = tensor::Arena::Pages;
  limits.read_bytes = read_rate(*kernels, Pages::kLarge, seconds, sink.data());
  limits.read_bytes_small = read_rate(*kernels, Pages::kSmall, seconds, sink.data());
  return limits;
}

}  // namespace ocelli::cpu
