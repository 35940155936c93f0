// CpuBackend: cuts each operation into pieces for the threads of a pool and calls the kernels of
// one instruction set. What it has no kernel for falls back on the reference.
#pragma once

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/kernels.h"
#include "backend/reference/reference_backend.h"

namespace ocelli::cpu {

using encoding::Weight;
using tensor::Activation;
using tensor::Tensor;
using tensor::ThreadPool;

class CpuBackend : public reference::ReferenceBackend {
 public:
  explicit CpuBackend(const Kernels& kernels) : kernels_(kernels) {}
  std::string_view name() const override { return kernels_.name; }

  void linear(ThreadPool& pool, std::span<const tensor::LinearJob> jobs) override;
  void linear_grad_input(ThreadPool& pool, const Tensor& dy, const Weight& w,
                         const Tensor& dx) override;
  void linear_grad_weight(ThreadPool& pool, const Tensor& dy, const Tensor& x,
                          const Weight& w) override;
  void embedding(ThreadPool& pool, std::span<const int32_t> ids, const Weight& w,
                 const Tensor& y) override;

  void rms_norm(ThreadPool& pool, const Tensor& x, const float* w, float eps,
                const Tensor& y) override;
  void layer_norm(ThreadPool& pool, const Tensor& x, const float* w, const float* b, float eps,
                  const Tensor& y) override;

  void rope(ThreadPool& pool, const Tensor& x, const Tensor& table, float sign,
            const Tensor& y) override;
  void attention(ThreadPool& pool, const tensor::AttentionJob& job) override;

  void activation(ThreadPool& pool, Activation f, const Tensor& x, const Tensor& y) override;
  void silu_mul(ThreadPool& pool, const Tensor& gate, const Tensor& up, const Tensor& y) override;
  void add(ThreadPool& pool, const Tensor& a, const Tensor& b, float scale,
           const Tensor& y) override;

  void gather_rows(ThreadPool& pool, const Tensor& x, std::span<const int32_t> rows,
                   const Tensor& y) override;
  void scatter_rows(ThreadPool& pool, const Tensor& x, std::span<const int32_t> rows, bool add,
                    const Tensor& y) override;

 private:
  // Up to kJobs of linear()'s jobs, handed out together.
  static constexpr size_t kJobs = 8;
  void linear_together(ThreadPool& pool, std::span<const tensor::LinearJob> jobs);
  void product(ThreadPool& pool, const ProductArgs& args);

  const Kernels& kernels_;
};

// Scratch memory of the calling thread: kScratchFloats numbers, taken on its first call and kept
// until the thread ends.
float* thread_scratch();

// The kernels of a set; null where this machine does not run it.
const Kernels* native_kernels(InstructionSet set);

// Emulations of sets that this machine may lack, for tests: make_cpu_backend() then hands them out.
// Call it before anything else of this room.
void offer_emulated(std::span<const Kernels* const> tables);

}  // namespace ocelli::cpu
