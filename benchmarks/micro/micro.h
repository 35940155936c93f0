// What the micro-benchmarks share: a set's backend, its limits, and matrices.
#pragma once

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "backend/cpu/limits.h"
#include "encoding/test_support.h"

namespace ocelli::cpu::micro {

using encoding::Encoding;
using encoding::Weight;
using tensor::Tensor;
using tensor::ThreadPool;

inline double thread_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

inline std::vector<float> numbers(int64_t count) {
  std::vector<float> v(static_cast<size_t>(count));
  uint32_t state = 1;
  for (float& x : v) {
    state = state * 1664525 + 1013904223;
    x = float(int32_t(state)) / 4294967296.0f;
  }
  return v;
}

// What a benchmark needs of its set.
struct Fixture {
  InstructionSet set;
  std::unique_ptr<tensor::Backend> backend = make_cpu_backend(set).value();
  ThreadPool pool{1};

  // Runs the iterations and reports `work` per second against the limit.
  template <class Run>
  void measure(benchmark::State& state, double work, double Limits::*limit, const char* unit,
               Run run) {
    constexpr double kProbe = 0.02;
    double most = measure_limits(set, kProbe).*limit, best = 1e9;
    run();
    for (auto _ : state) {
      const double before = thread_seconds();
      run();
      best = std::min(best, thread_seconds() - before);
    }
    most = std::max(most, measure_limits(set, kProbe).*limit);
    state.counters[unit] = work / best / 1e9;
    state.counters["percent"] = 100 * work / best / most;
  }
};

struct Matrix {
  std::vector<std::byte> memory;
  Weight weight;
  // Rows are repeated from a pool of 64.
  Matrix(Encoding encoding, int64_t rows, int64_t cols) {
    const int64_t row = encoding::row_bytes(encoding, cols);
    memory.resize(size_t(rows * row));
    const std::vector<float> pool = numbers(64 * cols);
    for (int64_t r = 0; r < rows; ++r) {
      std::byte* const to = &memory[size_t(r * row)];
      if (r < 64) encoding::store_row(encoding, &pool[size_t(r * cols)], cols, to);
      if (r >= 64) std::copy_n(to - 64 * row, row, to);
    }
    weight = {encoding, encoding::Layout::kPlain, rows, cols, memory.data(), nullptr};
  }
  // Into the backend's own layout, where it has one.
  void pack(const tensor::Backend& backend, ThreadPool& pool) {
    constexpr size_t kAlign = 64;
    const int64_t bytes = backend.packed_bytes(weight);
    if (bytes == 0) return;
    std::vector<std::byte> packed(size_t(bytes) + kAlign);
    std::byte* const at =
        packed.data() + (kAlign - reinterpret_cast<uintptr_t>(packed.data()) % kAlign);
    backend.pack(pool, weight, at);
    memory = std::move(packed);
    weight.layout = encoding::Layout::kPacked;
    weight.data = at;
  }
};

struct Heads {
  int64_t tokens, keys, heads, kv_heads, width;
  bool causal;
};

// Operations that only read and write, from one matrix to another: bytes moved against reads.
template <class Run>
void moves(benchmark::State& state, InstructionSet set, int64_t height, int64_t width,
           double passes, Run run) {
  Fixture f{set};
  std::vector<float> x = numbers(height * width), y(x.size());
  const Tensor from = Tensor::view(x.data(), {height, width}),
               to = Tensor::view(y.data(), {height, width});
  f.measure(state, passes * 4.0 * double(x.size()), &Limits::read_bytes, "GB/s",
            [&] { run(*f.backend, f.pool, from, to); });
}

// The same of a model's rows.
template <class Run>
void rows(benchmark::State& state, InstructionSet set, double passes, Run run) {
  moves(state, set, 256, 768, passes, run);
}

template <class Run>
void add(const std::string& name, Run run) {
  benchmark::RegisterBenchmark(name.c_str(), run)->MinTime(0.2)->Unit(benchmark::kMicrosecond);
}

// training.cpp
void add_training(const InstructionSetInfo& info);
// layer.cpp
void add_layers(const InstructionSetInfo& info);

}  // namespace ocelli::cpu::micro
