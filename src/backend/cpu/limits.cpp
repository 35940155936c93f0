#include "backend/cpu/limits.h"

#include <time.h>

#include <algorithm>
#include <vector>

#include "backend/cpu/cpu_backend_impl.h"
#include "base/check.h"

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

}  // namespace

Limits measure_limits(InstructionSet set, double seconds) {
  const Kernels* const kernels = native_kernels(set);
  OCELLI_CHECK(kernels != nullptr, "limits are measured for sets that this CPU runs");
  constexpr int64_t kRounds = 200000;
  std::vector<float> sink(64, 0.5f), memory(static_cast<size_t>(kReadNumbers), 1.0f);
  Limits limits;
  limits.f32_operations =
      best_rate(seconds, [&] { return kernels->fma_loop(kRounds, sink.data()); });
  limits.int8_operations =
      best_rate(seconds, [&] { return kernels->dot_loop(kRounds, sink.data()); });
  limits.read_bytes = best_rate(seconds, [&] {
    kernels->read_loop(memory.data(), kReadNumbers, sink.data());
    return double(kReadNumbers) * sizeof(float);
  });
  return limits;
}

}  // namespace ocelli::cpu
